"""Statistics of what was measured: percentiles, spreads, ratios, and the figures of a load."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number says. Neither more nor less is better where it only says what was asked."""

    name: str
    unit: str
    more_is_better: bool | None = False


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, with the lowest and the highest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reply:
    """One request, by one clock: when it was due, when text came, when it was over."""

    started_seconds: float
    texts_seconds: tuple[float, ...]
    ended_seconds: float
    prompt_tokens: int
    completion_tokens: int


Measured = dict[Figure, float]


def percentile(values: Sequence[float], fraction: float) -> float:
    """Linear between the two nearest ranks. Raises `ValueError` where there is no value."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ranked = sorted(values)
    position = fraction * (len(ranked) - 1)
    below = int(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (position - below)


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def advantage(figure: Figure, pairs: Sequence[tuple[float, float]]) -> Spread | None:
    """How many times better the first of each pair is; None where no ratio makes sense."""
    if figure.more_is_better is None:
        return None
    ordered = pairs if figure.more_is_better else [(second, first) for first, second in pairs]
    ratios = [above / below for above, below in ordered if below > 0]
    return spread(ratios) if ratios else None


def of_load(label: str, replies: Sequence[Reply], expected_tokens: int) -> Measured:
    """Throughput and delays of one load. What ended early is counted, not hidden.

    Between tokens is between pieces of text as the client reads them: a server that sends several
    at once has gaps of nothing, and longer ones.
    """
    first = [each.texts_seconds[0] - each.started_seconds for each in replies]
    between = [
        later - earlier for each in replies for earlier, later in pairwise(each.texts_seconds)
    ]
    seconds = _duration_seconds(replies)
    tokens = sum(each.completion_tokens for each in replies)
    short = sum(each.completion_tokens != expected_tokens for each in replies)
    return {
        Figure(f"{label}: throughput", "tokens/s", more_is_better=True): tokens / seconds,
        Figure(f"{label}: first token, p50", "ms"): percentile(first, 0.5) * 1e3,
        Figure(f"{label}: first token, p99", "ms"): percentile(first, 0.99) * 1e3,
        Figure(f"{label}: between tokens, p50", "ms"): percentile(between, 0.5) * 1e3,
        Figure(f"{label}: between tokens, p99", "ms"): percentile(between, 0.99) * 1e3,
        Figure(f"{label}: replies of another length", "replies", None): float(short),
    }


def steady_rate(replies: Sequence[Reply]) -> float:
    """Tokens per second while all streams decode: from the last one's first to the first's end.

    Where several tokens came as one piece of text, each piece counts as many as the others.
    Raises `ValueError` where there is no such time.
    """
    begin = max(each.texts_seconds[0] for each in replies)
    end = min(each.texts_seconds[-1] for each in replies)
    if end <= begin:
        raise ValueError("the streams did not decode at the same time: ask for more tokens")
    counted = 0.0
    for reply in replies:
        pieces = sum(begin < each <= end for each in reply.texts_seconds)
        counted += pieces * reply.completion_tokens / len(reply.texts_seconds)
    return counted / (end - begin)


def of_prompts(replies: Sequence[Reply]) -> Measured:
    """How fast long prompts are read, one at a time, each answered with a single token."""
    tokens = sum(each.prompt_tokens for each in replies)
    seconds = sum(each.ended_seconds - each.started_seconds for each in replies)
    return {
        Figure("long prompts: length", "tokens", None): tokens / len(replies),
        Figure("long prompts: throughput", "tokens/s", more_is_better=True): tokens / seconds,
    }


def _duration_seconds(replies: Sequence[Reply]) -> float:
    ended = max(each.ended_seconds for each in replies)
    return ended - min(each.started_seconds for each in replies)
