"""Which engine gets a new sequence: the one that has computed its beginning, or the least busy.

Engines keep the keys and values of prompts that share a beginning. What each was given is
remembered by hashes of whole blocks of tokens, each with all that stands before it.
"""

from array import array
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import NamedTuple

BLOCK_TOKENS = 64
REMEMBERED_BLOCKS = 4096  # an engine; of 64 tokens, more than most KV caches hold
SPARE_SEQUENCES = 4  # more of these are no burden that computing a prompt again would not be


class Load(NamedTuple):
    """An engine that could take the sequence, and what it has of this gateway."""

    engine_id: str
    sequences: int
    tokens: int  # in those sequences
    slots: int  # sequences that it computes at once


class Affinity:
    """What was sent to each engine of a model."""

    def __init__(self) -> None:
        self._blocks: dict[str, OrderedDict[int, None]] = {}

    def choose(self, tokens: Sequence[int], loads: Sequence[Load]) -> str:
        """The id of one of `loads`, of which there is at least one."""
        least = min(loads, key=_work)
        if len(loads) == 1 or not self._blocks:
            return least.engine_id
        blocks = hashes(tokens)
        held = {each: self._held(each.engine_id, blocks) for each in loads}
        holder = min(loads, key=lambda each: (-held[each], _work(each)))
        return least.engine_id if is_clearly_busier(holder, least) else holder.engine_id

    def remember(self, engine_id: str, tokens: Sequence[int]) -> None:
        """The engine has computed these, or is about to."""
        known = self._blocks.setdefault(engine_id, OrderedDict())
        for block in hashes(tokens):
            known[block] = None
            known.move_to_end(block)
        while len(known) > REMEMBERED_BLOCKS:
            known.popitem(last=False)

    def keep(self, engine_ids: Collection[str]) -> None:
        """Forget all other engines."""
        self._blocks = {each: self._blocks[each] for each in engine_ids if each in self._blocks}

    def _held(self, engine_id: str, blocks: list[int]) -> int:
        known: Collection[int] = self._blocks.get(engine_id, ())
        for number, block in enumerate(blocks):
            if block not in known:
                return number
        return len(blocks)


def hashes(tokens: Sequence[int]) -> list[int]:
    """A hash for each whole block, which stands for all tokens up to its end."""
    data = array("q", tokens).tobytes()
    size = BLOCK_TOKENS * array("q").itemsize
    found: list[int] = []
    before = 0
    for end in range(size, len(data) + 1, size):
        before = hash((before, data[end - size : end]))
        found.append(before)
    return found


def is_clearly_busier(holder: Load, least: Load) -> bool:
    """Whether going to `least` is better than not computing the beginning again.

    It is where the sequence would have to wait for a slot, which takes as long as an answer, and
    the other has one free; or where it would share its steps with twice as many and a few more.
    """
    if holder.sequences >= holder.slots and least.sequences < least.slots:
        return True
    return holder.sequences > 2 * least.sequences + SPARE_SEQUENCES


def _work(load: Load) -> tuple[int, int]:
    return load.sequences, load.tokens
