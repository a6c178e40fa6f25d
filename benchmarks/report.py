"""A finished benchmark as text: the table, the ratios, what failed."""

from collections.abc import Mapping, Sequence

from figures import Figure, Spread, advantage, spread

Measurements = Sequence[Mapping[Figure, float]]  # of one server, one mapping a round
Rounds = Mapping[str, Measurements]  # by server
NOTHING = "-"


def table(rounds: Rounds) -> str:
    """Markdown: a row a figure, a column a server."""
    lines = _head(list(rounds))
    for figure in _figures(rounds):
        cells = [_measured(_values(each, figure)) for each in rounds.values()]
        lines.append(_row([f"{figure.name} ({figure.unit})", *cells]))
    return "\n".join(lines)


def ratios(rounds: Rounds, ours: str, peers: Sequence[str]) -> str:
    """Markdown: how many times better than each of its peers one server is, by figure."""
    lines = _head(list(peers))
    for figure in _figures({ours: rounds[ours]}):
        cells = [_ratio(figure, rounds[ours], rounds[name]) for name in peers]
        if any(cell != NOTHING for cell in cells):
            lines.append(_row([figure.name, *cells]))
    return "\n".join(lines)


def shares(rounds: Rounds, pairs: Sequence[tuple[str, str]]) -> str:
    """Markdown: of each pair the first's throughput as a part of the second's, round by round."""
    names = [name for pair in pairs for name in (*pair, f"{pair[0]} / {pair[1]}")]
    lines = _head(names)
    for figure in _figures({name: rounds[name] for _, name in pairs}):
        if figure.more_is_better:
            lines.append(_row([f"{figure.name} ({figure.unit})", *_shares(rounds, pairs, figure)]))
    return "\n".join(lines)


def _shares(rounds: Rounds, pairs: Sequence[tuple[str, str]], figure: Figure) -> list[str]:
    cells = []
    for part, whole in pairs:
        ratio = advantage_over(figure, rounds[part], rounds[whole])
        measured = [_measured(_values(rounds[name], figure)) for name in (part, whole)]
        cells += [*measured, _percent(ratio) if ratio else NOTHING]
    return cells


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


def _values(rounds: Measurements, figure: Figure) -> list[float]:
    return [measured[figure] for measured in rounds if figure in measured]


def _measured(values: Sequence[float]) -> str:
    return text(spread(values)) if values else NOTHING


def _ratio(figure: Figure, ours: Measurements, theirs: Measurements) -> str:
    found = advantage_over(figure, ours, theirs)
    return f"{text(found)} x" if found else NOTHING


def advantage_over(figure: Figure, ours: Measurements, theirs: Measurements) -> Spread | None:
    both = [
        (mine[figure], other[figure])
        for mine, other in zip(ours, theirs, strict=True)
        if figure in mine and figure in other
    ]
    return advantage(figure, both)


def text(found: Spread) -> str:
    if found.low == found.high:
        return _number(found.median)
    return f"{_number(found.median)} ({_number(found.low)}…{_number(found.high)})"


def _percent(found: Spread) -> str:
    of_hundred = Spread(found.median * 100, found.low * 100, found.high * 100)
    if of_hundred.low == of_hundred.high:
        return f"{of_hundred.median:.0f} %"
    return f"{of_hundred.median:.0f} % ({of_hundred.low:.0f}…{of_hundred.high:.0f})"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.3g}"


def _head(names: Sequence[str]) -> list[str]:
    return [_row(["", *names]), _row(["---", *["---:"] * len(names)])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
