"""Clients that leave what they are sent unread.

A reply whose bytes no kernel takes any more is noticed where it is sent. But the kernel of a
client takes megabytes before that, minutes of a token stream. Where the client runs on this host,
its end of the connection is ours to see, and how much of it has been read.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from weakref import WeakValueDictionary

import structlog

from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.kernel_sockets import Address, address, unread_bytes

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.25
REST_SHARE = 50  # of the time of a look, at thousands of readers: tokens wait meanwhile
LONGEST_REST_SECONDS = 1.0


class Line:
    """What one connection carries. With HTTP/2 several replies share it."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._read_bytes = -math.inf  # framing is unread too, and not counted in what is sent
        self._since = 0.0

    def idle_seconds(self, unread_bytes: int, now: float) -> float:
        """How long nothing of it has been read, although there was something to read."""
        read_bytes = self.sent_bytes - unread_bytes
        if not unread_bytes or read_bytes > self._read_bytes:
            self._read_bytes = max(read_bytes, self._read_bytes)
            self._since = now
        return now - self._since


class Reader:
    """Whoever reads one reply."""

    def __init__(self, scope: Mapping[str, object], on_stall: Callable[[], object]) -> None:
        self.client = _address(scope.get("client"))
        self.server = _address(scope.get("server"))
        self.on_stall = on_stall
        self.line = Line()


def _address(value: object) -> Address | None:
    """As ASGI gives it: a pair, or None."""
    match value:
        case (str() as host, (str() | int()) as port):
            return address(host, port)
    return None


class StallWatch:
    """Looks after all replies that are being sent."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._readers: set[Reader] = set()
        self._lines: WeakValueDictionary[Address, Line] = WeakValueDictionary()
        self._busy = asyncio.Event()

    def add(self, reader: Reader) -> None:
        if reader.client is not None and reader.server is not None:
            reader.line = self._lines.setdefault(reader.client, reader.line)
            self._readers.add(reader)
            self._busy.set()

    def clients(self) -> set[Address]:
        """Who has brought a whole request, and is being answered."""
        return {reader.client for reader in self._readers if reader.client is not None}

    def remove(self, reader: Reader) -> None:
        self._readers.discard(reader)

    async def run(self) -> None:
        """Look for ever, while there is anything to look at."""
        now = 0.0  # by the looks, not by the clock: while a machine sleeps, no client can read
        pause = LOOK_EVERY_SECONDS
        while True:
            await self._busy.wait()
            await asyncio.sleep(pause)
            now += pause
            begun = time.thread_time()
            try:
                self.look(now)
            except OSError as error:
                log.warning("stalled clients on this host are noticed late", error=str(error))
                return
            rest = REST_SHARE * (time.thread_time() - begun)
            pause = max(LOOK_EVERY_SECONDS, min(rest, LONGEST_REST_SECONDS))
            if not self._readers:
                self._busy.clear()

    def look(self, now: float) -> None:
        """End the replies that nobody reads."""
        limit = self._conditions.settings.stall_timeout
        ports = {reader.server[1] for reader in self._readers if reader.server}
        unread = {port: unread_bytes(port) for port in ports}
        for reader in list(self._readers):
            if reader.server is None or reader.client is None:
                continue
            size = unread[reader.server[1]].get(reader.client)
            if size is None:
                continue  # it runs elsewhere
            if reader.line.idle_seconds(size, now) > limit:
                self.remove(reader)
                reader.on_stall()
