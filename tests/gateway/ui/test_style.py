"""The colours of the page: what is written can be read, in light and in dark."""

import re

import pytest

from serve_daemon.gateway.ui.page import FILES

STYLE = (FILES / "style.css").read_text()
READABLE = 4.5  # the contrast that WCAG 2.2 asks for text, at level AA
VISIBLE = 3.0  # and for what is no text, as the edge of a field

TEXTS = ("text", "faint", "accent", "good", "busy", "warn", "bad", "calm")
PAIRS = [
    *((text, "panel") for text in TEXTS),
    *((text, "ground") for text in ("text", "faint", "accent", "warn", "bad")),
    *((text, "sunken") for text in ("text", "faint")),
    *((text, "accent-soft") for text in ("text", "accent")),
    *((text, "bad-soft") for text in ("text", "bad")),
    ("on-accent", "accent"),
]
LINES = [("edge", "panel"), ("accent", "track"), ("bad", "panel")]


def colours(scheme: str) -> dict[str, str]:
    """The variables of a scheme; dark says only what differs."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark))
    return found


def luminance(colour: str) -> float:
    """Relative, as WCAG defines it."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(scheme: str) -> None:
    """Every colour of text on every ground that it stands on."""
    known = colours(scheme)
    poor = {pair: contrast(known[pair[0]], known[pair[1]]) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < READABLE} == {}
    dim = {pair: contrast(known[pair[0]], known[pair[1]]) for pair in LINES}
    assert {pair: ratio for pair, ratio in dim.items() if ratio < VISIBLE} == {}


def test_the_measure_is_the_standard_one() -> None:
    """Black on white is 21 to 1, and the order doesn't matter."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#ffffff", "#767676") == contrast("#767676", "#ffffff")


def test_every_colour_is_a_variable() -> None:
    """So that dark differs from light in them alone."""
    rules = STYLE.rpartition("* { box-sizing")[2]
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;, )])", rules)) == set()


def test_motion_and_focus_are_up_to_the_user() -> None:
    """Nothing moves for those who want it so, and what has the focus is seen."""
    assert "@media (prefers-reduced-motion: reduce)" in STYLE
    assert ":focus-visible { outline: 2px solid" in STYLE
    assert not re.search(r"outline:\s*(0|none)", STYLE)
