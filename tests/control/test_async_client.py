"""The client for programs with an event loop, at a real socket."""

import asyncio
from pathlib import Path

import pytest

from control.talking import Serve, giving, raising
from serve_daemon.control.async_client import AsyncClient, ControlError, Unreachable
from serve_daemon.control.protocol import UNKNOWN_MODEL


async def test_a_call_has_its_reply(path: Path, serve: Serve) -> None:
    """And the error that it is answered with, by its name."""
    error = ControlError(UNKNOWN_MODEL, {"model": "x", "known": []})
    await serve({"History": giving({"entries": [], "current": 3}), "Stop": raising(error)})
    client = AsyncClient(path)
    assert (await client.call("History"))["current"] == 3
    with pytest.raises(ControlError) as refused:
        await client.call("Stop", model="x", wait=False)
    assert refused.value.name == UNKNOWN_MODEL


async def test_a_stream_has_all_replies_and_an_end(path: Path, serve: Serve) -> None:
    """The last one, which may be empty, is not passed on then."""
    records = [{"record": {"n": number}} for number in range(3)]
    await serve({"Logs": giving(*records)})
    replies = AsyncClient(path).stream("Logs", lines=3, follow=False)
    assert [each async for each in replies] == records


async def test_nobody_answers(path: Path) -> None:
    """Neither where there is no socket, nor where the other end speaks otherwise or goes."""
    with pytest.raises(Unreachable, match=f"{path}: no daemon answers here"):
        await AsyncClient(path).call("Status")
    for answer, said in ((b"", "closed the connection"), (b"hello\0", "no serve-daemon answers")):
        other = path.with_name(f"{len(answer)}.sock")

        def answering(
            _reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes = answer
        ) -> None:
            writer.write(answer)
            writer.close()

        server = await asyncio.start_unix_server(answering, other)
        with pytest.raises(Unreachable, match=said):
            await AsyncClient(other).call("Status")
        server.close()
