"""Connections that bring no whole request: which of them end when places get scarce.

Granian accepts so many connections and no more; who comes then waits in the listen queue for as
long as others hold the places, be they kept for a next request, or amid one that never comes. The
oldest of those are closed then. A client that comes back opens another connection, as it has to
after `keep_alive_timeout` anyway. Granian keeps that time itself once it knows a connection for one
of HTTP/1; what sends nothing at all, shakes no hands, or has spoken HTTP/2, is ended here.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor

import structlog
from msgspec import Struct

from serve_daemon.gateway.http.kernel_sockets import Address, address

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0  # between two looks at how long each has been silent
SCARCE = 7 / 8  # of all places are taken: some are freed,
ENOUGH = 1 / 2  # until no more than so many are
TCP_INFO_BYTES = 56
LAST_DATA_RECEIVED_AT = 52  # of struct tcp_info: tcpi_last_data_recv, in milliseconds


class Connection(Struct, frozen=True):
    descriptor: int
    client: Address
    silent_seconds: float  # since it was opened, or since data came

    @property
    def identity(self) -> tuple[int, Address]:
        return self.descriptor, self.client


def to_close(
    connections: Collection[Connection],
    known: Collection[tuple[int, Address]],
    busy: Collection[Address],
    places: int,
) -> list[Connection]:
    """Those that must end for others: of the `known` ones that are not `busy`, the oldest.

    One that is not known is new, and may be about to bring its request.
    """
    if len(connections) <= places * SCARCE:
        return []
    idle = [each for each in connections if each.identity in known and each.client not in busy]
    idle.sort(key=lambda each: each.silent_seconds, reverse=True)
    return idle[: len(connections) - int(places * ENOUGH)]


def overdue(
    connections: Collection[Connection], busy: Collection[Address], limit_seconds: float
) -> list[Connection]:
    """Those that have been silent for too long without a request."""
    return [
        each
        for each in connections
        if each.silent_seconds > limit_seconds and each.client not in busy
    ]


class Limits(Struct, frozen=True):
    """What connections at one address may take."""

    places: int
    silent_seconds: float


class IdleConnections:
    """Keeps places free at one listening port."""

    def __init__(
        self,
        port: int,
        limits: Limits,
        *,
        answered: Callable[[], set[Address]],
        asking: Callable[[], set[Address]],
    ) -> None:
        """`asking` are clients that have begun a request, `answered` have it whole."""
        self._port = port
        self._limits = limits
        self._answered = answered
        self._asking = asking
        self._known: set[tuple[int, Address]] = set()
        self._thread = ThreadPoolExecutor(1)  # of its own: others may be busy with long prompts

    async def run(self) -> None:
        """Look for ever."""
        pause = max(LOOK_EVERY_SECONDS, min(self._limits.silent_seconds / 4, LONGEST_PAUSE_SECONDS))
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            is_scarce = len(_descriptors()) > self._limits.places * SCARCE
            if not is_scarce:
                self._known = set()
            if is_scarce or loop.time() >= due:
                found = await loop.run_in_executor(self._thread, self._find)
                self._end_overdue(found)
                due = loop.time() + pause
            if is_scarce:
                self._make_place(found)

    def _end_overdue(self, found: list[Connection]) -> None:
        for each in overdue(found, self._asking(), self._limits.silent_seconds):
            close(each)

    def _make_place(self, found: list[Connection]) -> None:
        closing = to_close(found, self._known, self._answered(), self._limits.places)
        self._known = {each.identity for each in found}
        for each in closing:
            close(each)
        if closing:
            log.warning("idle connections are closed for others", connections=len(closing))

    def _find(self) -> list[Connection]:
        return list(connections_at(self._port))


def connections_at(port: int) -> Iterator[Connection]:
    """The TCP connections of this process that clients have made to `port` of ours."""
    for descriptor in _descriptors():
        with contextlib.suppress(OSError), _borrowed(descriptor) as connection:
            is_tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
            if is_tcp and connection.getsockname()[1] == port:
                client = address(*connection.getpeername()[:2])
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
                (silent,) = struct.unpack_from("=I", info, LAST_DATA_RECEIVED_AT)
                if client is not None:
                    yield Connection(descriptor, client, silent / 1000)


def _descriptors() -> list[int]:
    with os.scandir("/proc/self/fd") as entries:
        return [int(entry.name) for entry in entries]


def close(connection: Connection) -> None:
    """End it for both sides; whoever owns the descriptor sees its end, and closes that."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.descriptor)) as ours:
        if address(*ours.getpeername()[:2]) == connection.client:
            ours.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """A descriptor that somebody else owns, as a socket; it may be none, or gone, or another's."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()
