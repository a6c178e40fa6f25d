"""What is counted of the requests for one model, and which models have news."""

from bisect import bisect_left
from collections.abc import Callable, Iterator

from serve_daemon.wire.metrics import (
    BOUNDS,
    TOKEN_SECONDS,
    Counter,
    Counts,
    Histogram,
    ModelCounts,
    Outcome,
    labelled,
)

Load = tuple[int, int]  # requests that are open, and those of them that are queued


class Meter:
    """Counts. What is told of every token is kept at hand."""

    def __init__(self) -> None:
        self.has_news = False
        self._generated: list[float] = [0]  # whole numbers take a byte or two on their way
        self._between = _empty(Histogram.BETWEEN_TOKENS)
        self.counts: Counts = {
            Counter.GENERATED_TOKENS: self._generated,
            Histogram.BETWEEN_TOKENS: self._between,
        }

    def add(self, name: str, amount: int = 1) -> None:
        self.counts.setdefault(name, [0])[0] += amount
        self.has_news = True

    def observe(self, histogram: Histogram, value: float) -> None:
        counts = self.counts.get(histogram)
        if counts is None:
            counts = self.counts[histogram] = _empty(histogram)
        counts[0] += value
        counts[1 + bisect_left(BOUNDS[histogram], value)] += 1
        self.has_news = True

    def first_tokens(self, count: int) -> None:
        self._generated[0] += count
        self.has_news = True

    def next_tokens(self, count: int, seconds: float) -> None:
        """So many more of one answer, so long after those before."""
        self._generated[0] += count
        between = self._between
        between[0] += seconds
        between[1 + bisect_left(TOKEN_SECONDS, seconds / count)] += count
        self.has_news = True

    def end(self, outcome: Outcome) -> None:
        self.add(labelled(Counter.OUTCOME, outcome))


class Meters:
    """That of each model, by its own name; that of "" is for what belongs to none.

    A model that is gone keeps its own: it may come back, and counts never go back.
    """

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._told: dict[str, Load] = {}

    def of(self, model: str) -> Meter:
        return self._meters.setdefault(model, Meter())

    def news(self, load: Callable[[str], Load]) -> Iterator[ModelCounts]:
        """Of the models where something has changed since the last time."""
        for model, meter in self._meters.items():
            now = load(model)
            if meter.has_news or now != self._told.get(model, (0, 0)):
                meter.has_news, self._told[model] = False, now
                yield ModelCounts(model, *now, meter.counts)


def _empty(histogram: Histogram) -> list[float]:
    return [0.0, *[0] * (len(BOUNDS[histogram]) + 1)]
