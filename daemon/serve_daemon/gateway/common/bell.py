"""How something that happens wakes the one that waits for it."""

import asyncio

from serve_daemon.gateway.common.deadline import Deadline


class Bell:
    """Waited for by one at a time; nobody hears it who does not wait."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = Deadline(self.ring)

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after so long."""
        self._waiter = self._loop.create_future()
        self._deadline.set(seconds)
        try:
            await self._waiter
        finally:
            self._deadline.lift()
            self._waiter = None

    def ring(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
