"""Clients that leave what they are sent unread.

A reply whose bytes no kernel takes any more is noticed where it is sent. But the kernel of a
client takes megabytes before that, minutes of a token stream. Where the client runs on this host,
its end of the connection is ours to see, and how much of it has been read.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from serve_daemon.gateway.conditions import Conditions
from serve_daemon.gateway.kernel_sockets import Address, TcpSocket, address, established

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.25


class Reader:
    """What one client has read of its reply so far."""

    def __init__(self, scope: dict[str, object], on_stall: Callable[[], None]) -> None:
        self.client = _address(scope.get("client"))
        self.server = _address(scope.get("server"))
        self.on_stall = on_stall
        self._read_bytes = -1
        self._since = 0.0

    def unread_for(self, unread_bytes: int, acked_bytes: int, now: float) -> float:
        """Seconds since it last read anything, although there was something to read."""
        read_bytes = acked_bytes - unread_bytes
        if not unread_bytes or read_bytes > self._read_bytes:
            self._read_bytes = max(read_bytes, self._read_bytes)
            self._since = now
        return now - self._since


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
        self._busy = asyncio.Event()

    def add(self, reader: Reader) -> None:
        if reader.client is not None and reader.server is not None:
            self._readers.add(reader)
            self._busy.set()

    def remove(self, reader: Reader) -> None:
        self._readers.discard(reader)

    async def run(self) -> None:
        """Look for ever, while there is anything to look at."""
        while True:
            await self._busy.wait()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                self.look(asyncio.get_running_loop().time())
            except OSError as error:
                log.warning("stalled clients on this host are noticed late", error=str(error))
                return
            if not self._readers:
                self._busy.clear()

    def look(self, now: float) -> None:
        """End the replies that nobody reads."""
        ports = {reader.server[1] for reader in self._readers if reader.server is not None}
        for port in ports:
            # In this order: what is acked grows in between, so what was read is never overrated.
            acked = {ours.remote: ours.acked_bytes for ours in established(local_port=port)}
            unread = _unread(established(remote_port=port))
            self._judge(port, acked, unread, now)

    def _judge(
        self, port: int, acked: dict[Address, int], unread: dict[Address, int], now: float
    ) -> None:
        limit = self._conditions.settings.stall_timeout
        for reader in list(self._readers):
            client = reader.client
            if client is None or reader.server is None or reader.server[1] != port:
                continue
            if client in unread and client in acked:
                seconds = reader.unread_for(unread[client], acked[client], now)
                if seconds > limit:
                    self.remove(reader)
                    reader.on_stall()


def _unread(clients: Iterable[TcpSocket]) -> dict[Address, int]:
    return {client.local: client.unread_bytes for client in clients}
