"""The table that a benchmark writes, and its plot."""

from xml.etree import ElementTree as ET

import pytest

import report
from figures import Figure
from plot import bars

SPEED = Figure("1 stream: throughput", "tokens/s", more_is_better=True)
DELAY = Figure("1 stream: first token, p50", "ms")
ROUNDS = {
    "ours": [{SPEED: 40.0, DELAY: 10.0}, {SPEED: 44.0, DELAY: 12.0}],
    "theirs": [{}, {SPEED: 11.0}],
}


def test_a_row_has_what_was_measured() -> None:
    """With its spread; a single round has none, and what was not measured is never a zero."""
    rows = report.table(ROUNDS).splitlines()
    assert rows[0] == "|  | ours | theirs |"
    assert rows[2] == "| 1 stream: throughput (tokens/s) | 42 (40…44) | 11 |"
    assert rows[3] == "| 1 stream: first token, p50 (ms) | 11 (10…12) | - |"


def test_a_ratio_is_taken_where_both_answered() -> None:
    """Round by round; a figure that no peer has gets no row."""
    assert report.ratios(ROUNDS, "ours", ["theirs"]).splitlines()[2:] == [
        "| 1 stream: throughput | 4 x |"
    ]


def test_a_share_is_of_the_same_round() -> None:
    """Of throughput alone: a part of a delay means nothing."""
    inside = {"within": [{SPEED: 80.0, DELAY: 1.0}, {SPEED: 55.0, DELAY: 1.0}]}
    rows = report.shares(ROUNDS | inside, [("ours", "within")]).splitlines()
    assert rows[0] == "|  | ours | within | ours / within |"
    assert rows[2:] == [
        "| 1 stream: throughput (tokens/s) | 42 (40…44) | 67.5 (55…80) | 65 % (50…80) |"
    ]


def test_failures_are_told_with_their_round() -> None:
    """A server that died says so beside the numbers that it has none of."""
    assert report.failures({"ours": ["", ""], "theirs": ["status 503", ""]}) == (
        "- theirs, round 1: status 503"
    )
    assert "Every server answered" in report.failures({"ours": [""]})


def test_the_medians_of_one_kind_are_by_load() -> None:
    """As the plot shows them."""
    assert report.medians(ROUNDS, ": throughput") == {
        "ours": {"1 stream": 42.0},
        "theirs": {"1 stream": 11.0},
    }


def test_the_plot_is_svg_with_a_bar_for_each_value() -> None:
    """And each load's highest value has the highest bar, whatever characters names have."""
    drawn = bars("a < b", {"ours": {"1": 40.0, "16": 80.0}, "R&D": {"1": 10.0}})
    tree = ET.fromstring(drawn)  # noqa: S314 (it is our own)
    heights = [float(each.get("height", "0")) for each in tree if each.tag.endswith("rect")]
    ours, at_16, theirs = (height for height in heights if height != 12.0)
    assert ours == at_16 == pytest.approx(4 * theirs, rel=0.01)
    assert len(heights) == 3 + 2  # bars, and two squares of the legend
