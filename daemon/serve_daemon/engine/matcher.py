"""One sequence in its grammar, by llguidance's matcher."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import torch
from llguidance import LLMatcher

from serve_daemon.engine.grammar import WORD_BITS


@dataclass(frozen=True)
class Masks:
    """The masks of several sequences, which are being computed."""

    words: torch.Tensor  # int32 [R, W]
    done: Future[None]


class Matcher:
    """See `serve_daemon.engine.grammar.Grammar`."""

    def __init__(
        self,
        matcher: LLMatcher,
        other_ends: Sequence[int],
        compute: Callable[["list[Matcher]"], Masks],
        moved: Callable[["Matcher"], None],
    ) -> None:
        self.matcher = matcher
        self.is_complete = False
        self.error = ""
        self._other_ends = frozenset(other_ends)  # stop tokens that llguidance doesn't know of
        self._compute = compute
        self._moved = moved
        self._masks: Masks | None = None
        self._row = 0

    @property
    def needs_mask(self) -> bool:
        """Whether its next mask is not on its way."""
        return self._masks is None

    def mask(self) -> torch.Tensor:
        """The tokens that may come; only an end where llguidance has given up."""
        masks = self._masks or self._compute([self])
        masks.done.result()
        row = masks.words[self._row]
        if self._other_ends and self.matcher.is_accepting():
            _allow(row, self._other_ends)
        return row

    def expect(self, masks: Masks, row: int) -> None:
        """Its next mask is to be found there."""
        self._masks, self._row = masks, row

    def accept(self, token: int) -> None:
        had_mask = self._masks is not None
        if self._masks is not None:
            self._masks.done.result()  # nobody else is at the matcher
            self._masks = None
        if token in self._other_ends and self.matcher.is_accepting():
            self.is_complete = True
        elif self.matcher.consume_token(token):
            self.is_complete = self.matcher.is_stopped()
        if self.matcher.is_error():
            self.error = f"its grammar allows no way on: {self.matcher.get_error():.200}"
        elif had_mask:  # else this is output of another engine, which is only caught up with
            self._moved(self)


def _allow(row: torch.Tensor, tokens: frozenset[int]) -> None:
    for token in tokens:
        word, bit = divmod(token, WORD_BITS)
        if word < len(row):
            row[word] |= _word_of(bit)


def _word_of(bit: int) -> int:
    """A word with this bit alone, as an int32 has it."""
    return (1 << bit) - (1 << WORD_BITS if bit == WORD_BITS - 1 else 0)
