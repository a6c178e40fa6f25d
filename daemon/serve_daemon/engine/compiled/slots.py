"""Which slot a sequence gets, and how much of it is there already. Pure; holds no tensors.

A slot keeps its keys and values after its sequence has left. A sequence that begins as an earlier
one did (a chat that goes on, a common system prompt) takes them over: in place where that slot is
free and little else would be lost, else as a copy.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

WORTH_COPYING_TOKENS = 16
MOSTLY_REUSED = 0.5  # of what a slot holds; else it is kept for those it belongs to

Tokens = NDArray[np.int64]


class Lease(Struct, frozen=True):
    """A slot, and how many of the sequence's first tokens need no computing."""

    slot: int
    num_cached: int
    copy_from: int | None = None  # another slot, which holds those tokens


class SlotTable:
    """Every slot: what it holds, and whether a sequence has it."""

    def __init__(self, count: int) -> None:
        self._held: list[Tokens] = [_tokens(()) for _ in range(count)]
        self._last_used = [0] * count
        self._free = set(range(count))
        self._uses = 0

    @property
    def num_free(self) -> int:
        return len(self._free)

    def acquire(self, tokens: Sequence[int]) -> Lease:
        """A free slot for a sequence of `tokens`, of which the last one is always computed."""
        wanted = _tokens(tokens)[:-1]
        shared = [_shared(held, wanted) for held in self._held]
        lease = self._choose(shared)
        self._free.remove(lease.slot)
        self._held[lease.slot] = wanted[: lease.num_cached]
        return lease

    def computed(self, slot: int, tokens: Sequence[int]) -> None:
        """Take down that the keys and values of `tokens`, and no others, are in `slot`."""
        self._held[slot] = _tokens(tokens)

    def release(self, slot: int) -> None:
        self._uses += 1
        self._last_used[slot] = self._uses
        self._free.add(slot)

    def _choose(self, shared: list[int]) -> Lease:
        oldest = min(
            self._free, key=lambda slot: (len(self._held[slot]) > 0, self._last_used[slot])
        )
        best = max(range(len(shared)), key=lambda slot: (shared[slot], slot in self._free))
        if best in self._free and shared[best] >= len(self._held[best]) * MOSTLY_REUSED:
            return Lease(best if shared[best] else oldest, shared[best])
        if best != oldest and shared[best] - shared[oldest] >= WORTH_COPYING_TOKENS:
            return Lease(oldest, shared[best], copy_from=best)
        return Lease(oldest, shared[oldest])


def _tokens(tokens: Sequence[int]) -> Tokens:
    return np.asarray(tokens, dtype=np.int64)


def _shared(held: Tokens, wanted: Tokens) -> int:
    """How many first tokens the two have in common."""
    length = min(len(held), len(wanted))
    different = held[:length] != wanted[:length]
    return int(different.argmax()) if different.any() else length
