"""The control socket's client for programs with an event loop: a connection for each call."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from serve_daemon.control import protocol
from serve_daemon.control.client import Unreachable
from serve_daemon.control.protocol import INTERFACE, ControlError, ProtocolError, Reply, Request

__all__ = ["AsyncClient", "ControlError", "Unreachable"]

READ_BYTES = 64 * 1024
CALL_TIMEOUT_SECONDS = 10.0  # of a call that is answered at once

Replies = AsyncGenerator[Reply, None]


class AsyncClient:
    """Asks the daemon that listens at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply's parameters, for a method that does not wait for anything.

        Raises `ControlError` if the daemon refuses, `Unreachable` if none answers in time.
        """
        request = Request(f"{INTERFACE}.{method}", parameters)
        try:
            async with (
                asyncio.timeout(CALL_TIMEOUT_SECONDS),
                contextlib.aclosing(self._ask(request)) as replies,
            ):
                return (await anext(replies)).parameters
        except TimeoutError as error:
            raise Unreachable(f"{self._path}: the daemon does not answer") from error

    async def stream(self, method: str, **parameters: Any) -> AsyncGenerator[dict[str, Any], None]:
        """The parameters of each reply until the stream ends; raises as `call` does."""
        request = Request(f"{INTERFACE}.{method}", parameters, more=True)
        async with contextlib.aclosing(self._ask(request)) as replies:
            async for reply in replies:
                if reply.parameters:
                    yield reply.parameters
                if not reply.continues:
                    return

    async def _ask(self, request: Request) -> Replies:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            message = f"{self._path}: no daemon answers here: {error.strerror or error}"
            raise Unreachable(message) from error
        try:
            writer.write(protocol.encode(request))
            async with contextlib.aclosing(self._replies(reader)) as replies:
                async for reply in replies:
                    yield reply
        finally:
            writer.close()

    async def _replies(self, reader: asyncio.StreamReader) -> Replies:
        receiver = protocol.Receiver(protocol.MAX_REPLY_BYTES)
        try:
            while data := await reader.read(READ_BYTES):
                for message in receiver.feed(data):
                    reply = protocol.read_reply(message)
                    if reply.error:
                        raise ControlError(reply.error, reply.parameters)
                    yield reply
        except ConnectionError as error:
            raise self._lost() from error
        except ProtocolError as error:
            raise Unreachable(f"{self._path}: no serve-daemon answers here: {error}") from error
        raise self._lost()

    def _lost(self) -> Unreachable:
        return Unreachable(f"{self._path}: the daemon closed the connection before it answered")
