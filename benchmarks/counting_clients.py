"""Clients of streams in which each token is a character: they note when each of them arrives.

Frugal, since they share the cores with what is measured.
"""

import asyncio
import json
import re
import time
from typing import cast

from processes import ServerError

HEAD_BYTES = 20
# The fake engine counts: each token is a character. An event may have several tokens.
TEXT = re.compile(rb'"content":"([0-9 ]*)"')


class Client(asyncio.Protocol):
    """One stream, whose tokens are noted as they arrive."""

    def __init__(self, request: bytes, ended: "asyncio.Future[None]") -> None:
        self.arrivals: list[float] = []
        self._request = request
        self._ended = ended
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is no asyncio one

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.arrivals and len(self._head) < HEAD_BYTES:
            self._head += data[:HEAD_BYTES]
        self.arrivals += [now] * sum(map(len, TEXT.findall(data)))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended.done():
            return
        if exc is not None or b" 200 " not in self._head:
            self._ended.set_exception(ServerError(f"a stream broke: {exc or self._head!r}"))
        else:
            self._ended.set_result(None)


def request(model: str, number: int, num_tokens: int) -> bytes:
    question = {
        "model": model,
        "stream": True,
        "max_tokens": num_tokens,
        "messages": [{"role": "user", "content": "count"}],
    }
    body = json.dumps(question).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-Request-Id: stream-{number}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
