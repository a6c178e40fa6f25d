"""Handlers for a control server, and raw conversations with it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from serve_daemon.control import protocol
from serve_daemon.control.server import Call, ControlServer, Handler

Ask = Callable[..., Awaitable[dict[str, Any]]]
Serve = Callable[..., Awaitable[ControlServer]]


def raising(error: Exception) -> Handler:
    async def handler(_call: Call) -> AsyncIterator[dict[str, Any]]:
        raise error
        yield {}

    return handler


def giving(*replies: dict[str, Any]) -> Handler:
    async def handler(_call: Call) -> AsyncIterator[dict[str, Any]]:
        for reply in replies:
            yield reply

    return handler


def message(method: str, **flags: Any) -> bytes:
    return json.dumps({"method": f"{protocol.INTERFACE}.{method}", **flags}).encode() + b"\0"


class Stream:
    """A handler for Logs that gives one record and waits; tells when it was started and ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.records: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def __call__(self, _call: Call) -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"record": {"event": "first"}}
            while record := await self.records.get():
                yield {"record": record}
        finally:
            self.ended.set()


FOLLOW = {"parameters": {"lines": 1, "follow": True}, "more": True}


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any]:
    return json.loads((await reader.readuntil(b"\0"))[:-1])  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def connection(
    path: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()
