"""Whether new requests are refused while the daemon and its models stay, and when none is open."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from functools import partial

from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.ledger import Ledger
from serve_daemon.supervisor.programs import GatewayProgram
from serve_daemon.wire.routing import GatewayHeartbeat


class Resumed(Exception):  # noqa: N818 - it names what happened
    """Requests are taken again, before all that were open had ended."""


class Draining:
    """Gateways refuse; what is open goes on as ever. A restart of the daemon ends it."""

    def __init__(
        self,
        program: GatewayProgram,
        gateways: Callable[[], list[Instance]],
        changes: Changes,
        ledger: Ledger,
    ) -> None:
        self._program = program
        self._gateways = gateways
        self._changes = changes
        self._ledger = ledger

    @property
    def is_on(self) -> bool:
        return self._program.is_draining

    def begin(self, trigger: str) -> None:
        self._turn(f"{trigger}: new requests are refused, until they are resumed", is_on=True)

    def end(self, trigger: str) -> None:
        self._turn(f"{trigger}: new requests are taken again", is_on=False)

    def _turn(self, message: str, *, is_on: bool) -> None:
        if self.is_on == is_on:
            return
        self._program.is_draining = is_on
        self._ledger.daemon(message)
        self._program.configure(self._gateways())
        self._changes.notify()

    @property
    def open_requests(self) -> int | None:
        """What is still to end, those that are made in the background included.

        None until every gateway has counted since it refuses.
        """
        counts = list(map(_unfinished, self._gateways()))
        return None if None in counts else sum(each or 0 for each in counts)

    @property
    def is_done(self) -> bool:
        """Whether every gateway refuses, and has nothing open."""
        return self.is_on and self.open_requests == 0

    async def progress(self, timeout: float) -> AsyncIterator[int | None]:  # noqa: ASYNC109 - of the caller
        """How many requests are open, whenever that changes, until none is or the time is over.

        None where that is not known yet. Raises `Resumed`.
        """
        limit = asyncio.get_running_loop().time() + timeout if math.isfinite(timeout) else None
        while not self.is_done:
            if not self.is_on:
                raise Resumed
            yield (told := self.open_requests)
            try:
                async with asyncio.timeout_at(limit):
                    await self._changes.wait_for(partial(self._is_news, told))
            except TimeoutError:
                if self.open_requests != told:
                    yield self.open_requests
                return
        yield 0

    def _is_news(self, told: int | None) -> bool:
        return not self.is_on or self.is_done or self.open_requests != told


def _unfinished(gateway: Instance) -> int | None:
    beat = gateway.heartbeat
    if isinstance(beat, GatewayHeartbeat):
        return beat.unfinished if beat.draining else None
    # One that starts will refuse from the first request on.
    return 0 if gateway.phase is Phase.STARTING else None
