"""Sequences of tokens that must never be completed."""

from collections.abc import Sequence


class Bans:
    """Knows, by the last tokens of a sequence, which token must not come next."""

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self._last: dict[tuple[int, ...], list[int]] = {}
        for sequence in sequences:
            self._last.setdefault(tuple(sequence[:-1]), []).append(sequence[-1])
        self._lengths = sorted({len(beginning) for beginning in self._last})
        self._longest = max(self._lengths, default=0)
        self._newest: list[int] = []  # of the sequence's tokens, as many as matter

    def add(self, tokens: Sequence[int]) -> None:
        """Go on by `tokens`."""
        if self._longest:
            self._newest = [*self._newest, *tokens][-self._longest :]

    @property
    def next(self) -> list[int]:
        """What must not come now."""
        newest = tuple(self._newest)
        beginnings = [newest[len(newest) - length :] for length in self._fitting]
        return [token for beginning in beginnings for token in self._last.get(beginning, ())]

    @property
    def _fitting(self) -> list[int]:
        return [length for length in self._lengths if length <= len(self._newest)]
