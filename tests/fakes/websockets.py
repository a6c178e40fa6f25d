"""A WebSocket client, as far as RFC 6455 needs one for texts."""

import asyncio
import base64
import os
import struct
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

TEXT, CLOSE, PING = 1, 8, 9
FINAL, MASKED = 0x80, 0x80
TWO_BYTES, EIGHT_BYTES = 126, 127


class Closed(Exception):  # noqa: N818 - it names what happened
    """The server has closed the connection, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    """One connection; `status` is that of the handshake, 101 where it succeeded."""

    def __init__(self, url: str, path: str = "/v1/responses", **headers: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname, parts.port, path
        self._headers = headers
        self.status = 0
        self.body = b""

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {self._path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *(f"{name}: {value}" for name, value in self._headers.items()),
        ]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.status = int(head.split()[1])
        if self.status != 101:
            self.body = await self._reader.read(4096)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def send(self, message: Any) -> None:
        payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._writer.write(bytes([FINAL | TEXT]) + _length(len(payload)) + mask + masked)
        await self._writer.drain()

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises `Closed`."""
        async with asyncio.timeout(60):
            kind, payload = await self._frame()
        if kind == CLOSE:
            raise Closed(int.from_bytes(payload[:2], "big"))
        assert kind == TEXT
        message: dict[str, Any] = msgspec.json.decode(payload)
        return message

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second
        if size == TWO_BYTES:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == EIGHT_BYTES:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(size)

    async def response(self, **request: Any) -> list[dict[str, Any]]:
        """The events of one response, to its last."""
        await self.send({"type": "response.create", **request})
        events = [await self.receive()]
        while events[-1]["type"] not in LAST:
            events.append(await self.receive())
        return events


LAST = ("response.completed", "response.incomplete", "response.failed", "error")


def _length(size: int) -> bytes:
    if size < TWO_BYTES:
        return bytes([MASKED | size])
    if size < 1 << 16:
        return bytes([MASKED | TWO_BYTES]) + struct.pack("!H", size)
    return bytes([MASKED | EIGHT_BYTES]) + struct.pack("!Q", size)
