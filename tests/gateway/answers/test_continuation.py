"""What a client sees of an answer that several engines have written: nothing of that."""

import asyncio
from typing import Any

import httpx
import msgspec

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import EngineHeartbeat

SLOW = "fake:text=count,token_delay=0.004"
LENGTH = 200
BEFORE = 20  # tokens, at least, of the first engine
LAST = "fake:text=count"


def chat(**fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "x"}]
    return {"model": "m", "messages": messages, "max_tokens": LENGTH, **fields}


def chunks_of(lines: list[str]) -> list[dict[str, Any]]:
    found = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return [msgspec.json.decode(line) for line in found]


async def lines_of_interrupted(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, **fields: Any
) -> list[str]:
    """The lines of a stream whose engine was killed within its first half."""
    first = await supervisor.serve(SLOW)
    body = chat(stream=True, **fields)
    reply = asyncio.ensure_future(client.post("/v1/chat/completions", json=body))
    await first.until_said(EngineHeartbeat)
    await first.until(lambda: first.last(EngineHeartbeat).generated_tokens > BEFORE)
    assert first.last(EngineHeartbeat).generated_tokens < LENGTH / 2
    first.kill()
    await first.process.wait()
    await supervisor.serve(LAST)
    return (await reply).text.splitlines()


async def test_a_stop_string_may_begin_at_one_engine_and_end_at_another(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Nothing of it is passed on."""
    stop = counting(LENGTH)[BEFORE // 2 : -BEFORE]
    lines = await lines_of_interrupted(supervisor, client, stop=[stop])
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks_of(lines))
    assert text == counting(BEFORE // 2)


async def test_usage_and_logprobs_count_each_token_once(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """However many engines have worked on the prompt."""
    lines = await lines_of_interrupted(
        supervisor, client, logprobs=True, stream_options={"include_usage": True}
    )
    *chunks, last = chunks_of(lines)
    entries = [
        entry["token"]
        for chunk in chunks
        for entry in (chunk["choices"][0]["logprobs"] or {}).get("content") or []
    ]
    assert "".join(entries) == counting(LENGTH)
    assert last["usage"]["completion_tokens"] == LENGTH
    whole = await client.post("/v1/chat/completions", json=chat())
    assert whole.json()["usage"] == last["usage"]


async def test_a_stop_string_before_min_tokens_is_text_however_tokens_come(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The first engine's frames may be read in one piece."""
    await supervisor.serve("fake:text=count,token_delay=0")
    body = chat(stop=["2", "9"], min_tokens=5)
    reply = await client.post("/v1/chat/completions", json=body)
    assert reply.json()["choices"][0]["message"]["content"] == "1 2 3 4 5 6 7 8 "


async def test_a_client_hears_of_us_while_there_is_no_engine(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Comments, which no client takes for text, keep the connection alive."""
    engine = await supervisor.serve(SLOW)
    lines: list[str] = []
    async with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as reply:
        async for line in reply.aiter_lines():
            lines.append(line)
            if '"content":"1"' in line and engine.process.returncode is None:
                engine.kill()
                await engine.process.wait()
                await supervisor.route("m")
            if line.startswith(":") and len(supervisor.engines) == 1:
                await supervisor.serve(LAST)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks_of(lines))
    assert text == counting(LENGTH)


async def test_whoever_leaves_while_it_has_no_engine_is_gone(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Its turn ends with it; the next engine never hears of it."""
    engine = await supervisor.serve("fake:prefill=60")
    leaving = asyncio.ensure_future(client.post("/v1/chat/completions", json=chat()))
    await engine.until_sequences(1)
    engine.kill()
    await engine.process.wait()
    await supervisor.route("m")
    leaving.cancel()
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 0)
    record = supervisor.directory / "never"
    await supervisor.serve(f"fake:record={record}")
    reply = await client.post("/v1/chat/completions", json=chat())
    assert reply.json()["choices"][0]["message"]["content"] == "x"
    assert record.read_text().count("\n") == 1
