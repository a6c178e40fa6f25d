"""Those who read a response along while it is made: each gets its events once they are kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from serve_daemon.gateway.common.bell import Bell
from serve_daemon.gateway.engines.waiting import IDLE_SECONDS

TAIL_EVENTS = 512  # that are at hand: many more than a client that reads falls behind

Older = Callable[[int], Awaitable[list[bytes]]]  # events from this number on, out of the journal


class Readers:
    """The events of one response, numbered from 0."""

    def __init__(self, first: int, older: Older) -> None:
        self.written = first  # so many may be told
        self.is_over = False  # no more will come from here
        self._next = first  # the number of the event to come
        self._tail: list[bytes] = []
        self._older = older
        self._bells: set[Bell] = set()

    def add(self, events: Sequence[bytes]) -> None:
        """These come next, and may be told once they are written."""
        self._tail += events
        self._next += len(events)
        if len(self._tail) > 2 * TAIL_EVENTS:  # not for every event, as it moves all of them
            del self._tail[:-TAIL_EVENTS]

    def tell(self, end: int | None = None) -> None:
        """All events before this number are written; all of them, where it is None."""
        self.written = max(self.written, self._next if end is None else end)
        self._ring()

    def end(self) -> None:
        """No more will come from here."""
        self.is_over = True
        self._ring()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.ring()

    async def follow(self, first: int) -> AsyncIterator[list[bytes]]:
        """Events from this number on, as they come, to the last one that comes from here.

        None of them every second in which none came. Raises `StoreUnavailable`.
        """
        bell = Bell()
        self._bells.add(bell)
        try:
            while first < self.written or not self.is_over:
                if first < self.written:
                    events = await self._read(first)
                    first += len(events)
                    yield events
                else:
                    await bell.wait(IDLE_SECONDS)
                    if first >= self.written:
                        yield []
        finally:
            self._bells.discard(bell)

    async def _read(self, first: int) -> list[bytes]:
        start = self._next - len(self._tail)
        if first < start:
            return await self._older(first)
        return self._tail[first - start : self.written - start]
