"""Clients that stream, and check that nothing is lost or doubled."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx


async def events_of(reply: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The JSON of each event of a stream, up to its [DONE]."""
    async for line in reply.aiter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended without [DONE]")


async def stream_response(client: httpx.AsyncClient, **request: Any) -> AsyncGenerator[str, None]:
    """The deltas of a streamed /v1/responses; its end is checked against them."""
    async for event in response_events(client, **request):
        if event["type"] == "response.output_text.delta":
            yield event["delta"]


async def response_events(
    client: httpx.AsyncClient, **request: Any
) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a streamed /v1/responses; its end is checked against its deltas."""
    text = ""
    async with client.stream("POST", "/v1/responses", json={"stream": True, **request}) as reply:
        if reply.status_code != 200:
            raise AssertionError(f"{reply.status_code}: {(await reply.aread()).decode()}")
        numbers = []
        kind = ""
        async for event in events_of(reply):
            kind = event["type"]
            numbers.append(event["sequence_number"])
            if kind == "response.output_text.delta":
                text += event["delta"]
            yield event
        assert kind in ("response.completed", "response.incomplete"), event
        assert event["response"]["output"][0]["content"][0]["text"] == text
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def text_of(client: httpx.AsyncClient, **request: Any) -> str:
    """The whole text of a streamed /v1/responses."""
    return "".join([delta async for delta in stream_response(client, **request)])


async def chat_chunks(
    client: httpx.AsyncClient, **request: Any
) -> AsyncGenerator[dict[str, Any], None]:
    """The chunks of a streamed /v1/chat/completions, the last one with its usage."""
    asked = {"stream": True, "stream_options": {"include_usage": True}, **request}
    async with client.stream("POST", "/v1/chat/completions", json=asked) as reply:
        if reply.status_code != 200:
            raise AssertionError(f"{reply.status_code}: {(await reply.aread()).decode()}")
        finishes = []
        async for chunk in events_of(reply):
            assert "error" not in chunk, chunk
            finishes += [each["finish_reason"] for each in chunk["choices"]]
            yield chunk
        assert chunk["usage"], chunk
        assert finishes[-1] in ("stop", "length"), chunk
        assert not any(finishes[:-1])
