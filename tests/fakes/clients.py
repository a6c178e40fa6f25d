"""HTTP clients that misbehave: raw connections that a test reads, leaves unread, or cuts."""

import asyncio
import socket
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec


def post(path: str, body: Any, *, declared_bytes: int | None = None) -> bytes:
    """The bytes of a request, which may say that its body is longer."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    length = len(content) if declared_bytes is None else declared_bytes
    head = (
        f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    return head.encode() + content


class RawClient:
    """One connection, by default with the smallest kernel buffer for what arrives."""

    def __init__(self, url: str, *, receive_buffer_bytes: int = 2048) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.setblocking(False)
        self.received = b""

    async def __aenter__(self) -> Self:
        await asyncio.get_running_loop().sock_connect(self._socket, self._address)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def read_until(self, wanted: bytes) -> bytes:
        """All that was received, once `wanted` is in it."""
        while wanted not in self.received:
            data = await self._read()
            assert data, f"the connection ended after {self.received!r}"
            self.received += data
        return self.received

    async def read_until_end(self) -> None:
        """Return when the other side has closed the connection."""
        while await self._read():
            pass

    async def _read(self) -> bytes:
        async with asyncio.timeout(20):
            return await asyncio.get_running_loop().sock_recv(self._socket, 65536)

    def close(self) -> None:
        self._socket.close()
