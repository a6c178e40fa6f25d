"""A bar chart as SVG, by hand: a group of bars for each load, a bar for each server."""

from collections.abc import Mapping
from html import escape

COLOURS = ("#1b6ca8", "#d1603d", "#e0a458", "#8a8f98", "#4f8a5b", "#7d5ba6")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 360, 60, 40, 30
LEGEND_LINE = 18


def bars(title: str, values: Mapping[str, Mapping[str, float]]) -> str:
    """`values` by server, then by load, whose highest bar is as high as that of any other load.

    A server that was not asked has no bar.
    """
    loads = list(dict.fromkeys(load for each in values.values() for load in each))
    highest = {load: max(each.get(load, 0.0) for each in values.values()) for load in loads}
    group_width = (WIDTH - LEFT) / max(len(loads), 1)
    bar_width = group_width * 0.8 / max(len(values), 1)
    parts = [_text(LEFT, 18, title, "start")]
    for place, (server, each) in enumerate(values.items()):
        colour = COLOURS[place % len(COLOURS)]
        parts += _legend(place, server, colour)
        for load, value in each.items():
            left = LEFT + loads.index(load) * group_width + place * bar_width
            parts += _bar((left, bar_width), value / highest[load], f"{value:.0f}", colour)
    middles = [LEFT + (index + 0.4) * group_width for index in range(len(loads))]
    below = HEIGHT - BOTTOM + 18
    parts += [_text(x, below, load, "middle") for x, load in zip(middles, loads, strict=True)]
    whole = HEIGHT + LEGEND_LINE * len(values)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}"'
        ' font-family="sans-serif" font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(across: tuple[float, float], share: float, label: str, colour: str) -> list[str]:
    left, width = across
    height = share * (HEIGHT - TOP - BOTTOM - 20)
    top = HEIGHT - BOTTOM - height
    shape = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return [
        f'<rect {shape} fill="{colour}"/>',
        _text(left + width / 2, top - 4, label, "middle"),
    ]


def _legend(place: int, server: str, colour: str) -> list[str]:
    top = HEIGHT + place * LEGEND_LINE
    return [
        f'<rect x="{LEFT}" y="{top - 10}" width="12" height="12" fill="{colour}"/>',
        _text(LEFT + 18, top, server, "start"),
    ]


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
