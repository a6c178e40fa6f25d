"""HTTP clients that misbehave: raw connections that a test reads, leaves unread, or cuts."""

import asyncio
import socket
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec


def post(path: str, body: Any, **headers: str) -> bytes:
    """The bytes of a request."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    lines = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json"]
    given = {"Content-Length": str(len(content)), **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class RawClient:
    """One connection, whose kernel buffer for what arrives is as small as it can be."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
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
        """Read until `wanted` has come; b"" for the end of the connection."""
        async with asyncio.timeout(20):
            while not wanted or wanted not in self.received:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                if not data:
                    break
                self.received += data
        assert wanted in self.received
        return self.received

    def close(self) -> None:
        self._socket.close()
