"""One request, as far as it is counted."""

import asyncio

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.gateway.common.errors import failed, invalid, queue_full, unavailable
from serve_daemon.gateway.metrics import tally as module
from serve_daemon.gateway.metrics.meter import Meter
from serve_daemon.gateway.metrics.tally import Tally
from serve_daemon.wire.metrics import Counter, Histogram, Outcome


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands where it is put."""
    clock = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    return clock


def outcomes(meter: Meter) -> dict[str, float]:
    prefix = f"{Counter.OUTCOME}."
    return {
        name.removeprefix(prefix): numbers[0]
        for name, numbers in meter.counts.items()
        if name.startswith(prefix)
    }


def seen(meter: Meter) -> dict[str, tuple[float, float]]:
    """Of each histogram its sum and its count."""
    found = {each: meter.counts[each] for each in Histogram if each in meter.counts}
    return {each: (round(total, 6), sum(counts)) for each, (total, *counts) in found.items()}


def test_the_times_of_a_request(now: list[float]) -> None:
    """Of one with three tokens, which had an engine twice."""
    meter = Meter()
    tally = Tally(meter)
    now[0] = 101.0
    tally.reach_engine()
    now[0] = 103.0
    tally.prompt(7, cached=4)
    tally.begin()
    tally.tokens(1)
    now[0] = 103.5
    tally.tokens(1)
    tally.reach_engine()
    now[0] = 104.0
    tally.tokens(1)
    now[0] = 104.5
    tally.finish(Outcome.LENGTH)
    tally.end()
    assert outcomes(meter) == {"length": 1}
    assert meter.counts[Counter.PROMPT_TOKENS] == [7.0]
    assert meter.counts[Counter.CACHED_TOKENS] == [4.0]
    assert meter.counts[Counter.GENERATED_TOKENS] == [3.0]
    assert seen(meter) == {
        Histogram.QUEUE: (1.0, 1),
        Histogram.FIRST: (3.0, 1),
        Histogram.BETWEEN_TOKENS: (1.0, 2),
        Histogram.EACH: (0.5, 1),
        Histogram.WHOLE: (4.5, 1),
        Histogram.PREFILL: (2.0, 1),
        Histogram.DECODE: (1.0, 1),
        Histogram.INFERENCE: (3.0, 1),
        Histogram.PROMPT_TOKENS: (7.0, 1),
        Histogram.GENERATED_TOKENS: (3.0, 1),
    }


def test_what_another_gateway_has_begun_has_no_first_token_here(now: list[float]) -> None:
    """Its tokens are counted, those before are the other's."""
    meter = Meter()
    tally = Tally(meter)
    tally.tokens(2)
    now[0] += 1.0
    tally.tokens(1)
    tally.finish(Outcome.STOP)
    assert meter.counts[Counter.GENERATED_TOKENS] == [3.0]
    assert Histogram.FIRST not in meter.counts
    assert seen(meter)[Histogram.BETWEEN_TOKENS] == (1.0, 1)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (invalid("bad"), "invalid"),
        (InvalidRequest("bad", None), "invalid"),
        (queue_full("m", 1, 1), "refused"),
        (unavailable("gone"), "refused"),
        (failed("oh"), "error"),
        (ValueError("a bug"), "error"),
        (asyncio.CancelledError(), "abort"),
        (GeneratorExit(), "abort"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_an_error_makes_of_a_request(error: BaseException, outcome: str) -> None:
    """Once, and then it is over."""
    meter = Meter()
    tally = Tally(meter)
    with pytest.raises(type(error)), tally.judging():
        raise error
    tally.end()
    tally.finish(Outcome.STOP)
    assert outcomes(meter) == {outcome: 1}
    assert Histogram.WHOLE not in meter.counts


def test_what_generates_nothing_is_not_counted() -> None:
    """Such as counting the tokens of a text."""
    meter = Meter()
    tally = Tally(meter)
    tally.drop()
    tally.end()
    assert outcomes(meter) == {}
