"""A request outlives the engines that work on it."""

import asyncio
import signal
from typing import Any

import httpx
import msgspec
import pytest

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import Drain, EngineHeartbeat, Submit

LENGTH = 200


def ask(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "x", "max_output_tokens": LENGTH, **fields}


async def text_of_stream(client: httpx.AsyncClient, body: dict[str, Any]) -> str:
    """The deltas of a stream, joined; its final object must say the same."""
    deltas: list[str] = []
    async with client.stream("POST", "/v1/responses", json={**body, "stream": True}) as reply:
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                event = msgspec.json.decode(line.removeprefix("data: "))
                deltas.append(event["delta"] if event["type"].endswith("text.delta") else "")
    assert event["response"]["output"][0]["content"][0]["text"] == "".join(deltas)
    return "".join(deltas)


async def test_a_stream_goes_on_with_the_next_engine_when_one_is_killed(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """No token is lost or doubled, for streams and whole replies alike."""
    first = await supervisor.serve("fake:text=count,token_delay=0.004")
    second = await supervisor.start_engine("fake:text=count,token_delay=0.004")
    streams = [asyncio.ensure_future(text_of_stream(client, ask())) for _ in range(4)]
    whole = asyncio.ensure_future(client.post("/v1/responses", json=ask()))
    await first.until_sequences(5)
    first.kill()
    await supervisor.route("m")
    await supervisor.route("m", second)
    assert await asyncio.gather(*streams) == [counting(LENGTH)] * 4
    reply = (await whole).json()
    assert reply["output"][0]["content"][0]["text"] == counting(LENGTH)
    assert reply["usage"]["output_tokens"] == LENGTH


async def test_an_engine_that_wears_out_again_and_again_is_no_failure_while_there_is_progress(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Only deaths without a token in between count against a request."""
    source = "fake:text=count,token_delay=0.001,crash_after=50"
    await supervisor.serve(source)
    answer = asyncio.ensure_future(text_of_stream(client, ask()))
    for _ in range(LENGTH // 50 - 1):
        await supervisor.engines[max(supervisor.engines)].process.wait()
        await supervisor.serve(source)
    assert await answer == counting(LENGTH)


async def test_the_next_engine_gets_the_output_so_far_and_the_same_seed(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """So that it draws what the lost engine would have drawn."""
    record = supervisor.directory / "record"
    source = f"fake:text=count,crash_after=20,record={record}"
    first = await supervisor.serve(source)
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask(max_output_tokens=30)))
    await first.process.wait()
    await supervisor.serve(source)
    assert (await answer).status_code == 200
    lines = record.read_bytes().splitlines()
    begun, rest = (msgspec.json.decode(line, type=Submit, strict=False) for line in lines)
    assert rest.tokens[: len(begun.tokens)] == begun.tokens
    output = len(rest.tokens) - len(begun.tokens)
    assert output == begun.max_new_tokens - rest.max_new_tokens == rest.num_output > 0
    assert rest.sampling == begun.sampling


async def test_a_request_that_kills_every_engine_ends_with_an_error(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It is given up after two tries apart from others, in the shape of OpenAI's errors."""
    engine = await supervisor.serve("fake:poison=x")
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask()))
    for _ in range(2):
        await engine.process.wait()
        engine = await supervisor.serve("fake:poison=x")
    reply = await answer
    assert reply.status_code == 500
    assert reply.json()["error"]["code"] == "engine_failed"
    assert "twice" in reply.json()["error"]["message"]


async def test_a_stream_that_can_not_go_on_ends_with_an_error_and_done(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The events of a failed response, and what there is of its text."""
    engine = await supervisor.serve("fake:text=count,token_delay=0.01")
    lines: list[str] = []
    async with client.stream("POST", "/v1/responses", json=ask(stream=True)) as reply:
        async for line in reply.aiter_lines():
            lines.append(line)
            if "text.delta" in line and engine.process.returncode is None:
                engine.kill()
                await supervisor.route("m", state="failed", reason="no luck", can_wait=False)
    events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert events[-2:] == ["error", "response.failed"]
    assert lines[-2:] == ["data: [DONE]", ""]
    failed = msgspec.json.decode(lines[-4].removeprefix("data: "))["response"]
    assert failed["status"] == "failed"
    assert failed["error"]["message"] == "The model 'm' is failed: no luck."
    assert counting(LENGTH).startswith(failed["output"][0]["content"][0]["text"])


async def test_a_chat_stream_that_can_not_go_on_ends_with_an_error_and_done(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The error is the last event before the end mark."""
    await supervisor.serve("fake:error_on=1")
    messages = [{"role": "user", "content": "x"}]
    body = {"model": "m", "messages": messages, "stream": True}
    lines = (await client.post("/v1/chat/completions", json=body)).text.split("\n\n")
    assert '"error":{"message":"The engine failed on this request' in lines[-3]
    assert lines[-2:] == ["data: [DONE]", ""]


async def test_a_refused_sequence_goes_to_another_engine(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """An engine that is going says so, and the request is not its victim."""
    refusing = await supervisor.serve("fake:refuse_on=1")
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask(input="hello")))
    other = await supervisor.start_engine("fake:")
    await supervisor.route("m", refusing, other)
    assert (await answer).json()["output"][0]["content"][0]["text"] == "hello"


async def test_a_request_that_every_engine_refuses_ends_with_an_error(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Not with a long wait for an engine that won't come."""
    await supervisor.serve("fake:refuse_on=1,refuse_all=1")
    answer = await client.post("/v1/responses", json=ask())
    assert answer.status_code == 500
    assert "the fake engine was told to" in answer.json()["error"]["message"]


async def test_a_waiting_request_is_prepared_anew_for_a_model_with_other_tokens(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """A model's source may change while requests for it have not begun."""
    old = await supervisor.serve("fake:prefill=1000")
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask(input="hello")))
    await old.until_sequences(1)
    await supervisor.serve("fake:order=7")
    old.kill()
    assert (await answer).json()["output"][0]["content"][0]["text"] == "hello"


async def test_an_answer_is_not_continued_by_a_model_with_other_tokens(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It would be garbage; the client is told instead."""
    old = await supervisor.serve("fake:text=count")
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask()))
    await old.until(lambda: old.last(EngineHeartbeat).generated_tokens > 0)
    await supervisor.serve("fake:order=7")
    old.kill()
    assert (await answer).status_code == 500
    assert "replaced by another" in (await answer).json()["error"]["message"]


async def test_a_withdrawn_engine_finishes_its_sequences_and_gets_no_new_one(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """A drain loses nothing: the old engine exits by itself when its last sequence has ended."""
    old = await supervisor.serve("fake:text=count,token_delay=0.004")
    answer = asyncio.ensure_future(text_of_stream(client, ask()))
    await old.until_sequences(1)
    new = await supervisor.serve("fake:")
    old.peer.send(Drain())
    reply = await client.post("/v1/responses", json=ask(input="hello"))
    assert reply.json()["output"][0]["content"][0]["text"] == "hello"
    assert old.process.returncode is None
    assert await answer == counting(LENGTH)
    assert await old.process.wait() == 0
    assert new.process.returncode is None


async def test_an_engine_that_is_killed_right_after_its_last_token_is_not_asked_for_more(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """A frozen engine is taken for lost only when its connection ends."""
    first = await supervisor.serve("fake:text=count,freeze_on=1")
    answer = asyncio.ensure_future(client.post("/v1/responses", json=ask()))
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
    second = await supervisor.start_engine("fake:text=count,token_delay=0")
    await supervisor.route("m", second)
    assert not answer.done()
    first.kill(signal.SIGKILL)
    assert (await answer).json()["output"][0]["content"][0]["text"] == counting(LENGTH)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_waits_for_an_engine_that_is_coming(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, *, stream: bool
) -> None:
    """It is answered as soon as the engine is ready."""
    await supervisor.route("m")
    body = ask(input="hello", stream=stream)
    answer = asyncio.ensure_future(client.post("/v1/responses", json=body))
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
    await supervisor.serve("fake:")
    assert '"text":"hello"' in (await answer).text
