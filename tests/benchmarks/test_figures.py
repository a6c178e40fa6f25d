"""Percentiles, spreads, ratios, and what is made of the replies of a load."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures import (
    Figure,
    Reply,
    Spread,
    advantage,
    of_load,
    of_prompts,
    percentile,
    spread,
    steady_rate,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)
FASTER, LATER = Figure("speed", "tokens/s", more_is_better=True), Figure("delay", "ms")


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.9, 4.6), (1.0, 5.0)]
)
def test_a_percentile_lies_between_the_nearest_ranks(fraction: float, expected: float) -> None:
    """Whatever order the values come in."""
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], fraction) == pytest.approx(expected)


@given(NUMBERS, st.floats(0, 1))
def test_a_percentile_is_never_outside_of_the_values(values: list[float], fraction: float) -> None:
    """Of one value it is that value."""
    found = percentile(values, fraction)
    assert min(values) - 1e-6 <= found <= max(values) + 1e-6


def test_no_values_have_no_percentile() -> None:
    """A zero would look like a measurement."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_spread_is_the_median_and_the_extremes() -> None:
    """Of an even number of values the median lies between the middle two."""
    assert spread([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)


def test_an_advantage_is_taken_round_by_round() -> None:
    """A slow round of the machine slows both, and must not count for either."""
    assert advantage(FASTER, [(40.0, 20.0), (10.0, 5.0), (30.0, 10.0)]) == Spread(2.0, 2.0, 3.0)


def test_less_is_better_where_the_figure_is_a_delay() -> None:
    """Above 1 the first is better, in either case."""
    assert advantage(LATER, [(10.0, 30.0)]) == Spread(3.0, 3.0, 3.0)


def test_nothing_to_divide_by_gives_no_advantage() -> None:
    """As where neither has a single failed reply."""
    assert advantage(LATER, [(0.0, 0.0)]) is None
    assert advantage(LATER, []) is None


def test_what_only_says_what_was_asked_has_no_advantage() -> None:
    """A longer prompt is neither better nor worse."""
    assert advantage(Figure("length", "tokens", None), [(512.0, 256.0)]) is None


def test_a_load_counts_all_tokens_over_the_whole_time() -> None:
    """From the first request's start to the last reply's end; short replies are told."""
    replies = [
        Reply(0.0, (1.0, 1.5, 2.5), 3.0, 10, 3),
        Reply(1.0, (4.0, 4.1), 5.0, 10, 2),
    ]
    measured = {figure.name: value for figure, value in of_load("two", replies, 3).items()}
    assert measured["two: throughput"] == pytest.approx(1.0)
    assert measured["two: first token, p50"] == pytest.approx(2000.0)
    assert measured["two: between tokens, p50"] == pytest.approx(500.0)
    assert measured["two: replies of another length"] == 1.0


def test_prompts_are_timed_from_the_question_to_the_answer() -> None:
    """Their tokens are those that the server counted."""
    replies = [Reply(0.0, (2.0,), 2.0, 500, 1), Reply(5.0, (8.0,), 8.0, 520, 1)]
    measured = {figure.name: value for figure, value in of_prompts(replies).items()}
    assert measured == {"long prompts: length": 510.0, "long prompts: throughput": 204.0}


def test_a_steady_rate_counts_while_all_decode() -> None:
    """Not while prompts are read, nor after the first has ended."""
    replies = [
        Reply(0.0, (1.0, 2.0, 3.0, 4.0, 5.0), 5.0, 10, 5),
        Reply(0.0, (3.0, 4.0, 5.0, 6.0, 7.0), 7.0, 10, 5),
    ]
    assert steady_rate(replies) == pytest.approx(2.0)


def test_tokens_that_come_together_count_all_the_same() -> None:
    """A gateway may send several as one piece of text."""
    assert steady_rate([Reply(0.0, (1.0, 3.0, 5.0), 5.0, 10, 6)]) == pytest.approx(1.0)


def test_streams_that_never_decode_together_have_no_rate() -> None:
    """A sum of what they did one after the other would be wrong."""
    replies = [Reply(0.0, (1.0, 2.0), 2.0, 10, 2), Reply(0.0, (3.0, 4.0), 4.0, 10, 2)]
    with pytest.raises(ValueError, match="ask for more tokens"):
        steady_rate(replies)
