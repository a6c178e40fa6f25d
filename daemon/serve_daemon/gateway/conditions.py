"""What holds for all requests at the moment: the settings, whether the gateway leaves, counts."""

import asyncio
from dataclasses import dataclass, field

from serve_daemon.wire.routing import GatewaySettings


@dataclass(eq=False)
class Conditions:
    settings: GatewaySettings
    leaving: bool = False
    open_requests: int = 0
    requests: int = 0  # since the start, less probes
    failures: int = 0  # of those, replies of 500 and above
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def request_begins(self) -> None:
        self.open_requests += 1
        self._idle.clear()

    def request_ends(self, status: int, *, is_probe: bool = False) -> None:
        self.open_requests -= 1
        if not is_probe:
            self.requests += 1
            self.failures += status >= 500  # noqa: PLR2004 - the class of server errors
        if not self.open_requests:
            self._idle.set()

    async def wait_until_idle(self) -> None:
        """Return when no request is open."""
        if self.open_requests:
            await self._idle.wait()
