"""What holds for all requests at the moment: the settings, whether the gateway leaves, counts."""

import asyncio
from dataclasses import dataclass, field

from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.kernel_sockets import Address
from serve_daemon.gateway.http.keys import Keys
from serve_daemon.gateway.metrics.meter import Meter
from serve_daemon.wire.metrics import Counter, labelled
from serve_daemon.wire.routing import GatewayHeartbeat, GatewaySettings


@dataclass(eq=False)
class Conditions:
    settings: GatewaySettings
    keys: Keys = field(default_factory=Keys)
    has_http2: bool = False  # whether a client has spoken it
    cut_by: ApiError | None = None  # what every request ends with, once there is no more time
    requests: int = 0  # since the start, less probes
    failures: int = 0  # of those, replies of 500 and above
    meter: Meter = field(default_factory=Meter)
    _departure: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[Exchange] = field(default_factory=set)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def leaving(self) -> bool:
        return self._departure.is_set()

    def leave(self) -> None:
        """Let nothing begin that needs not end here."""
        self._departure.set()

    async def departure(self) -> None:
        """Return when the gateway leaves."""
        await self._departure.wait()

    @property
    def open_requests(self) -> int:
        """Those of clients; whoever only watches is none."""
        return sum(not each.is_probe for each in self._open)

    def clients(self) -> set[Address]:
        """Who has a request open, be it that its body is still on its way."""
        peers = (each.peer for each in self._open)
        return {peer for peer in peers if peer is not None}

    def request_begins(self, exchange: Exchange) -> None:
        self._open.add(exchange)
        self._idle.clear()

    def request_ends(self, exchange: Exchange) -> None:
        self._open.discard(exchange)
        if not exchange.is_probe:
            self.requests += 1
            self.failures += exchange.status >= 500  # noqa: PLR2004 - the class of server errors
            self.meter.add(labelled(Counter.STATUS, str(exchange.status)))
        if not self._open:
            self._idle.set()

    def told(self, num_in_background: int) -> GatewayHeartbeat:
        """To the supervisor; so many responses are made that no open request waits for."""
        return GatewayHeartbeat(
            self.open_requests,
            self.requests,
            self.failures,
            self.settings.draining,
            self.open_requests + num_in_background,
        )

    def cut(self, error: ApiError) -> None:
        """Let every request end with `error`, the open ones and those that still come."""
        self.cut_by = error
        for each in list(self._open):
            each.cut(error)

    async def wait_until_idle(self) -> None:
        """Return when no request is open."""
        if self._open:
            await self._idle.wait()
