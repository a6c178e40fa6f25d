"""More requests than a model can take, over HTTP: who waits, who is refused, and how."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import openai
import pytest

from fakes.behaviour import Author, counting
from fakes.children import Child, EngineChild
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import EngineHeartbeat

PATH = "/v1/responses"


@asynccontextmanager
async def client_at(supervisor: FakeSupervisor, host: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an address of its own."""
    transport = httpx.AsyncHTTPTransport(local_address=host)
    async with httpx.AsyncClient(
        base_url=supervisor.url, transport=transport, timeout=30
    ) as client:
        yield client


async def serve(
    supervisor: FakeSupervisor, source: str, *, max_queue: int, **spec: Any
) -> EngineChild:
    engine = await supervisor.start_engine(source, **spec)
    await supervisor.route("m", engine, max_queue=max_queue)
    return engine


def ask(
    client: httpx.AsyncClient, text: str = "x", **fields: Any
) -> "asyncio.Task[httpx.Response]":
    body = {"model": "m", "input": text, **fields}
    return asyncio.create_task(client.post(PATH, json=body))


async def open_requests(supervisor: FakeSupervisor, count: int) -> None:
    """Return when the gateway has so many."""
    gateway = supervisor.gateway
    await gateway.until(lambda: supervisor.gateway_counts.open_requests == count)


async def test_an_engine_is_given_what_it_can_run_and_little_more(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The others wait in the gateway, and all are answered."""
    engine = await serve(supervisor, "fake:token_delay=0.01", max_queue=64, max_requests=8)
    replies = [ask(client, "a question") for _ in range(40)]
    assert {reply.status_code for reply in await asyncio.gather(*replies)} == {200}
    beats = [each for each in engine.said if isinstance(each, EngineHeartbeat)]
    assert max(beat.running for beat in beats) == 8
    assert max(beat.waiting for beat in beats) <= 1


async def test_two_clients_share_the_engine_evenly(supervisor: FakeSupervisor) -> None:
    """Though one has sent all of its requests before the other comes."""
    record = supervisor.directory / "shared"
    source = f"fake:prefill=0.1,record={record}"
    await serve(supervisor, source, max_queue=64, max_requests=1)
    async with (
        client_at(supervisor, "127.0.0.2") as greedy,
        client_at(supervisor, "127.0.0.3") as modest,
    ):
        first = [ask(greedy, "greedy") for _ in range(20)]
        await open_requests(supervisor, 20)
        await asyncio.gather(*(ask(modest, "modest") for _ in range(4)))
        for reply in first:
            reply.cancel()
    order = order_of(record)
    first_modest, *_, last_modest = (n for n, each in enumerate(order) if each == "modest")
    between = order[first_modest:last_modest]
    assert between.count("modest") == 3
    assert 1 <= between.count("greedy") <= 4


def order_of(record: Path) -> list[str]:
    """The questions that the engine was given."""
    lines = [msgspec.json.decode(line) for line in record.read_bytes().splitlines()]
    author = Author("echo", 0)
    return [author.read(line[3]) for line in lines if line[0] == "Submit"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_has_less_is_let_into_a_full_queue(
    supervisor: FakeSupervisor, stream: bool
) -> None:
    """And the newest request of the one that has most gets 429, as if it had come too late."""
    engine = await serve(supervisor, "fake:prefill=1000", max_queue=4, max_requests=1)
    async with (
        client_at(supervisor, "127.0.0.2") as greedy,
        client_at(supervisor, "127.0.0.3") as modest,
    ):
        requests = []
        for number in range(5):
            requests.append(ask(greedy, stream=stream))
            await open_requests(supervisor, number + 1)
        refused = await ask(greedy, stream=stream)
        assert refused.status_code == 429
        let_in = ask(modest, stream=stream)
        done, _ = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        assert done == {requests[-1]}
        pushed_out = requests[-1].result()
        assert pushed_out.status_code == 429
        assert int(pushed_out.headers["retry-after"]) >= 1
        error = pushed_out.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert "most of them of this client" in error["message"]
        assert not let_in.done()
        for request in [*requests, let_in]:
            request.cancel()
    await engine.until_sequences(0)
    await supervisor.until_idle()


async def test_who_leaves_the_queue_makes_room(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Its request is never given to the engine."""
    record = supervisor.directory / "left"
    source = f"fake:prefill=0.5,record={record}"
    await serve(supervisor, source, max_queue=1, max_requests=2)
    working = [ask(client, "at work") for _ in range(3)]
    await open_requests(supervisor, 3)
    assert (await ask(client)).status_code == 429
    working[-1].cancel()
    await open_requests(supervisor, 2)
    assert (await ask(client, "next")).status_code == 200
    await asyncio.gather(*working[:-1])


async def test_a_queue_outlives_the_engine(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Those at work go on at the next one, those that wait begin there, and none fails."""
    first = await serve(
        supervisor, "fake:text=count,token_delay=0.02", max_queue=64, max_requests=2
    )
    replies = [ask(client, max_output_tokens=20) for _ in range(12)]
    await open_requests(supervisor, 12)
    await first.until(lambda: first.last(EngineHeartbeat).generated_tokens > 3)
    first.kill()
    await serve(supervisor, "fake:text=count", max_queue=64, max_requests=3)
    texts = [
        reply.json()["output"][0]["content"][0]["text"] for reply in await asyncio.gather(*replies)
    ]
    assert texts == [counting(20)] * 12


@pytest.mark.long
async def test_a_stream_that_waits_for_long_hears_of_us_in_the_end(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Its status comes late, so that it can be 429; but not only with the first token."""
    await serve(supervisor, "fake:prefill=1000", max_queue=4, max_requests=1)
    others = [ask(client), ask(client)]
    await open_requests(supervisor, 2)
    async with RawClient(supervisor.url) as third:
        await third.send(post(PATH, {"model": "m", "input": "x", "stream": True}))
        assert (await third.read_until(b": waiting")).startswith(b"HTTP/1.1 200")
    assert not any(other.done() for other in others)
    for other in others:
        other.cancel()
    await supervisor.until_idle()


async def test_the_official_client_comes_again_when_it_was_told_to(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """And gets its answer, once there is room."""
    await serve(supervisor, "fake:prefill=0.4", max_queue=0, max_requests=1)
    other = ask(client, "the other")
    await open_requests(supervisor, 1)
    async with openai.AsyncOpenAI(base_url=f"{supervisor.url}/v1", api_key="none") as official:
        completion = await official.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hello"}]
        )
    assert completion.choices[0].message.content == "hello"
    assert (await other).status_code == 200
    gateway = supervisor.gateway
    await gateway.until(lambda: len(statuses(gateway, "/v1/chat/completions")) == 2)
    assert statuses(gateway, "/v1/chat/completions") == [429, 200]


def statuses(gateway: Child, path: str) -> list[int]:
    """By its access records."""
    return [record["status"] for record in gateway.records if record.get("path") == path]


async def test_the_official_client_tells_a_refusal_from_other_errors(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """With the seconds after which it may come again."""
    await serve(supervisor, "fake:prefill=1000", max_queue=0, max_requests=1)
    other = ask(client)
    await open_requests(supervisor, 1)
    async with openai.AsyncOpenAI(
        base_url=f"{supervisor.url}/v1", api_key="none", max_retries=0
    ) as official:
        with pytest.raises(openai.RateLimitError) as caught:
            await official.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hello"}]
            )
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "1"
    other.cancel()
