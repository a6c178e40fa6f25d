"""What is counted of the requests for one model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.gateway.metrics.meter import Meter, Meters
from serve_daemon.wire.metrics import BOUNDS, Counter, Histogram, Outcome


@given(st.sampled_from(Histogram), st.lists(st.floats(0, 1e6), min_size=1))
def test_each_value_is_in_one_bucket(histogram: Histogram, values: list[float]) -> None:
    """In the first whose bound is no less."""
    meter = Meter()
    for value in values:
        meter.observe(histogram, value)
    total, *counts = meter.counts[histogram]
    assert total == pytest.approx(sum(values))
    bounds = BOUNDS[histogram]
    for place, bound in enumerate(bounds):
        assert sum(counts[: place + 1]) == sum(value <= bound for value in values)
    assert sum(counts) == len(values)


def test_of_several_tokens_at_once_each_took_as_long() -> None:
    """Four in 0.4 s are four times 0.1 s."""
    meter = Meter()
    meter.first_tokens(2)
    meter.next_tokens(4, 0.4)
    total, *counts = meter.counts[Histogram.BETWEEN_TOKENS]
    assert (total, sum(counts)) == (0.4, 4)
    assert counts[BOUNDS[Histogram.BETWEEN_TOKENS].index(0.1)] == 4
    assert meter.counts[Counter.GENERATED_TOKENS] == [6.0]


def test_only_what_has_changed_is_told() -> None:
    """Of models of which nothing happens there is no news; an open request is one."""
    meters, load = Meters(), {"a": (0, 0), "b": (0, 0)}
    for name in load:
        meters.of(name)
    meters.of("a").end(Outcome.STOP)
    assert [each.model for each in meters.news(load.__getitem__)] == ["a"]
    assert not list(meters.news(load.__getitem__))
    load["b"] = (1, 1)
    (told,) = meters.news(load.__getitem__)
    assert (told.model, told.open_requests, told.queued) == ("b", 1, 1)
    load["b"] = (0, 0)
    (told,) = meters.news(load.__getitem__)
    assert (told.model, told.open_requests, told.queued) == ("b", 0, 0)
