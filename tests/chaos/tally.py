"""What clients saw while faults were made, as a table."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one run, and what of it was lost."""

    faults: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)  # requests that were open at a fault
    answered: int = 0
    cut: int = 0  # by a gateway that was killed with the connection in its hands
    losses: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # what can't be had here, and why
    texts: Counter[bool] = field(default_factory=Counter)  # whether each is what was expected

    @property
    def same_texts(self) -> float:
        """The share of answers whose text is that of an undisturbed run."""
        return self.texts[True] / max(self.texts.total(), 1)

    def lines(self) -> Iterator[str]:
        yield f"{'fault':<28}{'times':>7}{'requests met':>15}"
        for name, times in sorted(self.faults.items()):
            yield f"{name:<28}{times:>7}{self.met[name]:>15}"
        yield from (f"skipped: {each}" for each in self.skipped)
        yield f"answered {self.answered}, lost {len(self.losses)}, same text {self.same_texts:.2%}"
        yield f"cut with a gateway that was killed {self.cut}"
        yield from self.losses
