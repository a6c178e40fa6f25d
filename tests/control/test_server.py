"""Connections of the server, over a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from control.talking import (
    FOLLOW,
    Ask,
    Serve,
    Stream,
    connection,
    giving,
    message,
    read_message,
)
from serve_daemon.control import protocol
from serve_daemon.control.server import Call


async def test_calls_of_one_connection_are_answered_in_their_order(
    serve: Serve, path: Path
) -> None:
    """A client may send calls ahead; a slow first answer is not overtaken."""
    may_answer = asyncio.Event()

    async def slow(_call: Call) -> AsyncIterator[dict[str, Any]]:
        await may_answer.wait()
        yield {"config": "slow"}

    async def plan(_call: Call) -> AsyncIterator[dict[str, Any]]:
        yield {"changes": []}

    await serve({"GetConfig": slow, "Plan": plan})
    async with connection(path) as (reader, writer):
        writer.write(message("GetConfig") + message("Plan"))
        async with connection(path) as (other_reader, other_writer):
            other_writer.write(message("Plan"))
            assert await read_message(other_reader) == {"parameters": {"changes": []}}
        may_answer.set()
        answers = [await read_message(reader), await read_message(reader)]
    assert [answer["parameters"] for answer in answers] == [{"config": "slow"}, {"changes": []}]


async def test_a_client_that_only_writes_is_still_answered(serve: Serve, path: Path) -> None:
    """A shell's pipe ends its side first, and waits for what was asked."""
    await serve({"GetConfig": giving({"config": {}})})
    async with connection(path) as (reader, writer):
        writer.write(message("GetConfig") * 3)
        writer.write_eof()
        assert (await reader.read()).count(b"\0") == 3


async def test_a_record_of_a_stream_arrives_when_it_is_made(serve: Serve, path: Path) -> None:
    """Nothing is held back until the next."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        assert (await read_message(reader))["parameters"]["record"] == {"event": "first"}
        stream.records.put_nowait({"event": "second"})
        assert (await read_message(reader))["parameters"]["record"] == {"event": "second"}


async def test_a_client_that_goes_ends_its_stream(serve: Serve, path: Path) -> None:
    """A handler never follows for nobody."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        assert (await read_message(reader))["parameters"]["record"] == {"event": "first"}
    await stream.ended.wait()
    assert stream.ended.is_set()


async def test_closing_the_server_ends_streams(serve: Serve, path: Path) -> None:
    """A daemon that leaves does not wait for who watches it."""
    stream = Stream()
    server = await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await read_message(reader)
        await server.close()
        assert stream.ended.is_set()
        assert await reader.read() == b""


async def test_closing_the_server_lets_a_call_be_answered(serve: Serve, path: Path) -> None:
    """Who asks for the shutdown hears that it was done."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def shutdown(_call: Call) -> AsyncIterator[dict[str, Any]]:
        asked.set()
        await may_answer.wait()
        yield {}

    server = await serve({"Shutdown": shutdown})
    async with connection(path) as (reader, writer):
        writer.write(message("Shutdown"))
        await asked.wait()
        closing = asyncio.ensure_future(server.close())
        may_answer.set()
        assert await read_message(reader) == {"parameters": {}}
        await closing


async def test_a_client_that_stops_reading_is_dropped(serve: Serve, path: Path) -> None:
    """A stream is not buffered without end for a reader that does not read."""

    async def flood(_call: Call) -> AsyncIterator[dict[str, Any]]:
        try:
            while True:
                yield {"record": "x" * 100_000}
        finally:
            ended.set()

    ended = asyncio.Event()
    await serve({"Logs": flood}, write_timeout_seconds=0.05)
    async with connection(path) as (_reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await ended.wait()
    assert ended.is_set()


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n\0", b"{}\0", b"x" * (protocol.MAX_CALL_BYTES + 1)],
    ids=["http", "no method", "too large"],
)
async def test_who_does_not_speak_varlink_is_disconnected(
    serve: Serve, ask: Ask, path: Path, data: bytes
) -> None:
    """A broken client loses its connection, and nobody else theirs."""
    await serve({"GetConfig": giving({"config": {}})})
    async with connection(path) as (reader, writer):
        writer.write(data)
        assert await reader.read() == b""
    assert await ask("GetConfig") == {"config": {}}


async def test_calls_sent_ahead_are_bounded(serve: Serve, path: Path) -> None:
    """A client can not make the daemon remember calls without end."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await read_message(reader)
        writer.write(message("GetConfig") * 65)
        await stream.ended.wait()
        assert await reader.read() == b""


async def test_many_connections_are_served_at_once(serve: Serve, path: Path) -> None:
    """A hundred watchers hinder neither each other nor a call."""
    stream = giving({"record": 1})
    await serve({"Logs": stream, "GetConfig": giving({"config": {}})})
    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(connection(path)) for _ in range(100)]
        for _reader, writer in watchers:
            writer.write(message("Logs", **FOLLOW))
        for reader, _writer in watchers:
            assert (await read_message(reader))["continues"]
