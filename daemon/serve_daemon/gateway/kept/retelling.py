"""Which events of a response are new, where it is told again from its beginning. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from serve_daemon.gateway.common.batches import Batch
from serve_daemon.gateway.store.journal import Told


class ToldOtherwise(Exception):  # noqa: N818 - it names what happened
    """What was told before comes out in another way now: this is another version of the program."""


class News(Struct, frozen=True):
    """What nobody has been told yet."""

    first: int  # number of the first event
    events: list[bytes]
    batches: list[Batch]


class Retelling:
    """Counts what is made, and leaves out what an earlier worker has told."""

    def __init__(self, before: Told) -> None:
        self._before = before
        self._num_events = 0
        self._num_batches = 0

    @property
    def is_behind(self) -> bool:
        """Whether what was told before has not all come out again yet."""
        return self._num_events < self._before.num_events

    def news(self, events: Sequence[bytes], batches: Sequence[Batch]) -> News:
        """Of these events, and of the tokens that have come, those that are new.

        Raises `ToldOtherwise`.
        """
        old = min(max(0, self._before.num_events - self._num_events), len(events))
        old_batches = max(0, len(self._before.batches) - self._num_batches)
        first = self._num_events + old
        self._num_events += len(events)
        self._num_batches += len(batches)
        if old and self._before.batches and not self._is_as_before(events[old - 1]):
            raise ToldOtherwise
        return News(first, list(events[old:]), list(batches[old_batches:]))

    def _is_as_before(self, last: bytes) -> bool:
        """As far as it can be told: an event of the same kind at the end, and none missing then."""
        if self.is_behind:
            return self._num_batches <= len(self._before.batches)
        return _name(last) == _name(self._before.last_event)


def _name(event: bytes) -> bytes:
    return event.partition(b"\n")[0]
