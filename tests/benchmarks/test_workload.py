"""What the servers are asked and when: the same for each, and nothing twice."""

from itertools import islice

import pytest

from workload import LONG_PROMPT_TOKENS, long_prompts, poisson_arrivals, prompts


def test_a_seed_decides_when_requests_arrive() -> None:
    """So that every server meets the same arrivals, and another round other ones."""
    assert poisson_arrivals(2.0, 20, seed=1) == poisson_arrivals(2.0, 20, seed=1)
    assert poisson_arrivals(2.0, 20, seed=1) != poisson_arrivals(2.0, 20, seed=2)


def test_arrivals_are_in_order_and_after_the_start() -> None:
    """Each waits for its own time only."""
    arrivals = poisson_arrivals(2.0, 100, seed=3)
    assert len(arrivals) == 100
    assert arrivals == sorted(arrivals)
    assert arrivals[0] > 0


def test_gaps_between_arrivals_are_exponential() -> None:
    """Their mean is 1/rate, and so is their standard deviation."""
    arrivals = poisson_arrivals(4.0, 20_000, seed=5)
    gaps = [later - earlier for earlier, later in zip([0.0, *arrivals], arrivals, strict=False)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.25, rel=0.05)
    assert deviation == pytest.approx(0.25, rel=0.05)


def test_a_rate_must_be_above_zero() -> None:
    """At 0 nothing would ever arrive."""
    with pytest.raises(ValueError, match="above 0"):
        poisson_arrivals(0.0, 1, seed=0)


def test_no_prompt_comes_twice() -> None:
    """A server that remembers beginnings must not be able to skip the work."""
    asked = [text for seed in range(3) for text in islice(prompts(seed), 200)]
    assert len(set(asked)) == len(asked)


def test_long_prompts_differ_early() -> None:
    """From the first block of a cache on."""
    found = [text for seed in range(3) for text in islice(long_prompts(seed), 10)]
    assert len({tuple(text.split()[:10]) for text in found}) == len(found)
    assert all(LONG_PROMPT_TOKENS * 0.8 < len(text.split()) < LONG_PROMPT_TOKENS for text in found)
