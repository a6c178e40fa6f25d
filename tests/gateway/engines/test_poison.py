"""A request that ends every engine that works on it fails alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import EngineHeartbeat
from serve_daemon.wire.routing import Convicted

SOURCE = "fake:poison=arsenic,prefill=0.05"
OTHERS = 15


@asynccontextmanager
async def restarting(supervisor: FakeSupervisor, source: str) -> AsyncIterator[list[int]]:
    """An engine of model m that is followed by another as soon as it ends; the statuses so far."""
    statuses: list[int] = []
    first = await supervisor.serve(source)

    async def restart() -> None:
        engine = first
        while True:
            statuses.append(await engine.process.wait())
            await supervisor.route("m")
            engine = await supervisor.serve(source)

    restarting = asyncio.ensure_future(restart())
    try:
        yield statuses
    finally:
        restarting.cancel()
        await asyncio.wait({restarting})


def ask(client: httpx.AsyncClient, text: str) -> asyncio.Future[httpx.Response]:
    body = {"model": "m", "input": text}
    return asyncio.ensure_future(client.post("/v1/responses", json=body))


def text_of(reply: httpx.Response) -> str:
    return str(reply.json()["output"][0]["content"][0]["text"])


async def test_of_sixteen_requests_only_the_poison_fails(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Three engines end: the one that held all, and one for each of its trials."""
    async with restarting(supervisor, SOURCE) as statuses:
        poison = ask(client, "arsenic")
        others = [ask(client, f"number {number}") for number in range(OTHERS)]
        replies = await asyncio.gather(*others)
        failed = await poison
    assert [text_of(reply) for reply in replies] == [f"number {each}" for each in range(OTHERS)]
    assert failed.status_code == 500
    assert failed.json()["error"]["code"] == "engine_failed"
    assert f"status {statuses[-1]}" in failed.json()["error"]["message"]
    assert len(statuses) == 3
    assert supervisor.gateway.last(Convicted).request_id == failed.headers["x-request-id"]


async def test_streams_that_are_under_way_survive_a_poison(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Whoever had tokens already is tried, too, and goes on where it was."""
    text = "a rather long answer " * 20
    async with restarting(supervisor, "fake:poison=arsenic,token_delay=0.01"):
        others = [ask(client, text) for _ in range(3)]
        (engine,) = supervisor.engines.values()
        await engine.until(lambda: engine.last(EngineHeartbeat).generated_tokens > 0)
        poison = ask(client, "arsenic")
        assert [text_of(reply) for reply in await asyncio.gather(*others)] == [text] * 3
        assert (await poison).status_code == 500


async def test_with_a_second_replica_others_go_on_there(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """New requests are not held up by a trial while another engine is ready."""
    first = await supervisor.start_engine("fake:poison=arsenic,prefill=0.2")
    second = await supervisor.start_engine("fake:")
    await supervisor.route("m", first)
    poison = ask(client, "arsenic")
    await first.until_sequences(1)
    third = await supervisor.start_engine("fake:poison=arsenic,prefill=5.0")
    await supervisor.route("m", third)
    await first.process.wait()
    await third.until_sequences(1)
    waiting = ask(client, "hello")
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 2)
    assert third.sequences == 1
    await supervisor.route("m", third, second)
    assert text_of(await waiting) == "hello"
    assert third.sequences == 1
    poison.cancel()


async def test_engines_that_others_end_are_no_evidence(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """However often an operator kills what works on a request."""
    engine = await supervisor.serve("fake:prefill=60")
    answer = ask(client, "hello")
    for _ in range(4):
        await engine.until_sequences(1)
        engine.kill()
        engine = await supervisor.serve("fake:prefill=60")
    await engine.until_sequences(1)
    await supervisor.serve("fake:")
    engine.kill()
    assert text_of(await answer) == "hello"
