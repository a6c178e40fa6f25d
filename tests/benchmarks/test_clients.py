"""The clients, against servers that answer well, badly, late and not at all."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from clients import Target, ask, closed_loop, open_loop
from processes import ServerError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@asynccontextmanager
async def serving(serve: Serve, deadline_seconds: float = 60.0) -> AsyncIterator[Target]:
    handlers: list[asyncio.Task[Any]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.append(task)
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Target(port, "tiny", deadline_seconds)
        await asyncio.gather(*handlers)


def answering(answer: bytes, asked: list[dict[str, Any]] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        question = json.loads(await reader.readexactly(length))
        if asked is not None:
            asked.append(question)
        writer.write(answer)
        await writer.drain()

    return serve


def reply(*events: dict[str, Any]) -> bytes:
    lines = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"".join(lines)


TEXT = {"choices": [{"delta": {"content": "word"}}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}
GOOD = reply(TEXT, TEXT, USAGE)


async def test_tokens_are_those_that_the_server_counted() -> None:
    """And each piece of text has its time, after the start and before the end."""
    asked: list[dict[str, Any]] = []
    async with serving(answering(GOOD, asked)) as target:
        found = await ask(target, "Hello", 2)
    assert (found.prompt_tokens, found.completion_tokens) == (5, 2)
    assert len(found.texts_seconds) == 2
    assert found.started_seconds <= found.texts_seconds[0] <= found.ended_seconds
    assert asked[0]["max_tokens"] == 2
    assert asked[0]["messages"][-1]["content"] == "Hello"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\nthe thread died", "status 503: the thread died"),
        (b"", "the connection broke"),
        (reply(TEXT), "without saying how many tokens"),
        (reply(USAGE), "without text"),
        (reply(TEXT, {"error": "no memory"}), "an error in the stream: no memory"),
        (reply() + b"data: <html>\n\n", "not a completion's"),
    ],
)
async def test_what_is_no_complete_reply_is_a_failure(answer: bytes, message: str) -> None:
    """With what the server said, since it goes into the report."""
    async with serving(answering(answer)) as target:
        with pytest.raises(ServerError, match=message):
            await ask(target, "Hello", 2)


async def test_a_server_that_never_answers_is_given_up() -> None:
    """After the deadline of the request."""

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent, deadline_seconds=0.05) as target:
        with pytest.raises(ServerError, match="no complete reply"):
            await ask(target, "Hello", 2)


async def test_a_closed_loop_asks_every_prompt_of_every_stream() -> None:
    """Each stream its own."""
    asked: list[dict[str, Any]] = []
    async with serving(answering(GOOD, asked)) as target:
        found = await closed_loop(target, [["a", "b"], ["c", "d"]], 2)
    assert len(found) == 4
    order = [each["messages"][-1]["content"] for each in asked]
    assert sorted(order) == ["a", "b", "c", "d"]
    assert order.index("a") < order.index("b")
    assert order.index("c") < order.index("d")


async def test_an_open_loop_waits_for_no_reply() -> None:
    """The second request is sent while the first is without one; delays count from when due."""
    both = asyncio.Barrier(2)

    async def together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await both.wait()
        await answering(GOOD)(reader, writer)

    async with serving(together) as target:
        found = await open_loop(target, [(0.0, "a"), (0.01, "b")], 2)
    assert found[1].started_seconds - found[0].started_seconds == pytest.approx(0.01)


async def test_one_failure_ends_a_load() -> None:
    """The others are not waited for."""

    async def one_fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"fail" in await reader.readuntil(b"]"):
            writer.write(b"HTTP/1.1 503 Busy\r\n\r\n")
        else:
            await reader.read()

    async with serving(one_fails) as target:
        with pytest.raises(ServerError, match="503"):
            await closed_loop(target, [["wait"], ["fail"]], 2)
