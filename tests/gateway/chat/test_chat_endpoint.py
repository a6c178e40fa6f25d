"""POST /v1/chat/completions over HTTP, streamed and whole."""

from typing import Any

import httpx

from fakes.behaviour import counting
from fakes.chunks import read_chunks
from fakes.supervisor import FakeSupervisor

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


async def test_a_whole_reply(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """One choice, its finish reason, and the usage."""
    await supervisor.serve("fake:")
    reply = (await client.post("/v1/chat/completions", json=ASK)).json()
    assert reply["object"] == "chat.completion"
    [choice] = reply["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == "hello"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 6
    assert usage["total_tokens"] == usage["prompt_tokens"] + 6


async def test_a_stream(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """The role, the text in pieces, the finish reason; no usage unless asked for."""
    await supervisor.serve("fake:")
    chunks = read_chunks(
        (await client.post("/v1/chat/completions", json={**ASK, "stream": True})).text
    )
    choices = [chunk["choices"][0] for chunk in chunks]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "hello"
    assert [choice["finish_reason"] for choice in choices[-2:]] == [None, "stop"]
    assert choices[-1]["delta"] == {}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


async def test_a_stream_of_nothing_has_its_beginning_too(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The role, then the finish reason."""
    await supervisor.serve("fake:")
    body = {"model": "m", "messages": [{"role": "user", "content": ""}], "stream": True}
    chunks = read_chunks((await client.post("/v1/chat/completions", json=body)).text)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert [choice["delta"] for choice in choices] == [{"role": "assistant", "content": ""}, {}]
    assert choices[-1]["finish_reason"] == "stop"


async def test_a_stream_with_its_usage(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """include_usage: null in every chunk but the last, which has no choices."""
    await supervisor.serve("fake:")
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    chunks = read_chunks((await client.post("/v1/chat/completions", json=body)).text)
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 6


async def test_an_answer_that_is_cut_says_length(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By either name of the limit."""
    await supervisor.serve("fake:text=count,token_delay=0")
    for name in ("max_tokens", "max_completion_tokens"):
        reply = (await client.post("/v1/chat/completions", json={**ASK, name: 7})).json()
        assert reply["choices"][0]["finish_reason"] == "length"
        assert reply["choices"][0]["message"]["content"] == counting(7)


async def test_a_stop_string_ends_the_answer(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The finish reason is stop, and no part of it is seen."""
    await supervisor.serve("fake:text=count", max_context=100_000)
    reply = (await client.post("/v1/chat/completions", json={**ASK, "stop": " 3"})).json()
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["choices"][0]["message"]["content"] == "1 2"


async def test_long_conversations_are_answered_too(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """A long prompt is tokenized beside the loop, with the same result."""
    await supervisor.serve("fake:token_delay=0", max_context=100_000)
    text = "all the world " * 1000
    messages = [{"role": "user", "content": text}]
    body = {"model": "m", "messages": messages, "max_tokens": 20_000}
    reply = (await client.post("/v1/chat/completions", json=body)).json()
    assert reply["choices"][0]["message"]["content"] == text
