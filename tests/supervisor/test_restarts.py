"""When a program that crashed is started again."""

import pytest

from serve_daemon.supervisor.restarts import Crashes, RestartPolicy

POLICY = RestartPolicy(delay_seconds=1.0, delay_max_seconds=10.0, limit=7, interval_seconds=100.0)


def crashes_at(*times: float) -> Crashes:
    crashes = Crashes()
    for time in times:
        crashes.add(time)
    return crashes


@pytest.mark.parametrize(
    ("num_crashes", "delay"),
    [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (6, 10.0), (7, None), (8, None)],
)
def test_the_delay_doubles_up_to_its_limit(num_crashes: int, delay: float | None) -> None:
    """And ends where too many have happened."""
    assert crashes_at(*range(num_crashes)).delay(POLICY, 10.0) == delay


def test_only_the_interval_counts() -> None:
    """What is older than the interval is forgotten."""
    crashes = crashes_at(0.0, 1.0, 2.0, 150.0)
    assert crashes.delay(POLICY, 150.0) == 1.0


def test_the_edge_of_the_interval_still_counts() -> None:
    """A crash exactly that long ago is within it."""
    assert crashes_at(0.0, 100.0).delay(POLICY, 100.0) == 2.0


def test_forget_begins_anew() -> None:
    """Somebody has mended something."""
    crashes = crashes_at(*range(7))
    crashes.forget()
    assert crashes.delay(POLICY, 10.0) == 1.0


def test_without_a_limit_there_is_always_a_delay() -> None:
    """However often it has crashed."""
    policy = RestartPolicy(limit=None)
    assert crashes_at(*[0.0] * 5000).delay(policy, 1.0) == policy.delay_max_seconds
