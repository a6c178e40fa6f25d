"""A finished benchmark as text: the table, the ratios, what failed."""

from collections.abc import Mapping, Sequence

from figures import Figure, Spread, advantage, spread

Rounds = Mapping[str, Sequence[Mapping[Figure, float]]]  # by server, one mapping a round


def table(rounds: Rounds, ours: str) -> str:
    """Markdown: a row a figure, a column a server, and how many times better ours is."""
    others = [name for name in rounds if name != ours]
    head = ["", *rounds, *(f"{ours} vs. {name}" for name in others)]
    lines = [_row(head), _row(["---", *["---:"] * (len(head) - 1)])]
    for figure in _figures(rounds):
        cells = [_measured(_values(each, figure)) for each in rounds.values()]
        ratios = [_ratio(figure, rounds[ours], rounds[name]) for name in others]
        lines.append(_row([f"{figure.name} ({figure.unit})", *cells, *ratios]))
    return "\n".join(lines)


def failures(reasons: Mapping[str, Sequence[str]]) -> str:
    """A line for each turn that a server did not live through, or that all did."""
    lines = [
        f"- {name}, round {number}: {reason}"
        for name, each in reasons.items()
        for number, reason in enumerate(each, 1)
        if reason
    ]
    return "\n".join(lines) or "Every server answered everything that it was asked."


def medians(rounds: Rounds, ending: str) -> dict[str, dict[str, float]]:
    """By server, then by the label of a load, the medians of one kind of figure."""
    return {
        name: {
            figure.name.removesuffix(ending): spread(_values(each, figure)).median
            for figure in _figures({name: each})
            if figure.name.endswith(ending)
        }
        for name, each in rounds.items()
    }


def _figures(rounds: Rounds) -> list[Figure]:
    found = [figure for each in rounds.values() for measured in each for figure in measured]
    return list(dict.fromkeys(found))


def _values(rounds: Sequence[Mapping[Figure, float]], figure: Figure) -> list[float]:
    return [measured[figure] for measured in rounds if figure in measured]


def _measured(values: Sequence[float]) -> str:
    return _text(spread(values)) if values else "-"


def _ratio(
    figure: Figure,
    ours: Sequence[Mapping[Figure, float]],
    theirs: Sequence[Mapping[Figure, float]],
) -> str:
    both = [
        (mine[figure], other[figure])
        for mine, other in zip(ours, theirs, strict=True)
        if figure in mine and figure in other
    ]
    found = advantage(figure, both)
    return f"{_text(found)} x" if found else "-"


def _text(found: Spread) -> str:
    if found.low == found.high:
        return _number(found.median)
    return f"{_number(found.median)} ({_number(found.low)}…{_number(found.high)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
