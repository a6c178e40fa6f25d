"""How many threads are used, by histories of steps."""

import os
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from serve_daemon.engine.pace import LONGEST_PATIENCE_SECONDS, Pace, core_wait_seconds

CALM, DISTURBED = 0.01, 0.6  # shares of a step that its thread had no core


def live(pace: Pace, seconds: float, share: float) -> list[int]:
    """The threads used over steps of 50 ms."""
    used = []
    for _ in range(round(seconds / 0.05)):
        pace.add_step(0.05, 0.05 * share)
        used.append(pace.threads)
    return used


def test_undisturbed_all_threads_are_used() -> None:
    """For as long as it lasts."""
    assert set(live(Pace(4), 60, CALM)) == {4}


@pytest.mark.parametrize(
    ("limit", "falls"),
    [(1, [1]), (2, [1]), (3, [2, 1]), (16, [12, 9, 6, 4, 3, 2, 1])],
)
def test_disturbed_threads_are_withdrawn(limit: int, falls: list[int]) -> None:
    """A quarter at a time, down to one."""
    used = [limit, *live(Pace(limit), 0.25 * len(falls), DISTURBED)]
    changes = [after for before, after in pairwise(used) if before != after]
    assert changes == [threads for threads in falls if threads != limit]


def test_a_short_step_is_no_evidence() -> None:
    """A step of a small model is over before anything can be told from it."""
    pace = Pace(2)
    pace.add_step(0.01, 0.01)
    assert pace.threads == 2


def test_threads_come_back_when_it_is_calm() -> None:
    """Step by step, up to what is allowed."""
    pace = Pace(8)
    live(pace, 2, DISTURBED)
    assert pace.threads == 1
    assert max(live(pace, 120, CALM)) == pace.threads == 8


def test_a_lasting_disturbance_is_probed_ever_more_rarely() -> None:
    """One thread of two has its core; the second is tried, and costs, less and less often."""
    pace = Pace(2)
    tries = []
    for step in range(round(120 / 0.05)):
        before = pace.threads
        pace.add_step(0.05, 0.05 * (CALM if before == 1 else DISTURBED))
        if pace.threads > before:
            tries.append(step * 0.05)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert [round(gap, 1) for gap in gaps] == sorted(round(gap, 1) for gap in gaps)
    assert gaps[-1] >= LONGEST_PATIENCE_SECONDS
    assert 5 <= len(tries) <= 12


def test_a_new_limit_holds_at_once() -> None:
    """The same limit again changes nothing."""
    pace = Pace(4)
    live(pace, 1, DISTURBED)
    few = pace.threads
    pace.allow(4)
    assert pace.threads == few
    pace.allow(2)
    assert pace.threads == 2
    pace.allow(6)
    assert pace.threads == 6


def test_waiting_for_a_core_is_counted() -> None:
    """A neighbour that is busy on this thread's only core makes it wait."""
    allowed = os.sched_getaffinity(0)
    core = min(allowed)
    neighbour = subprocess.Popen(
        [sys.executable, "-c", f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"]
    )
    os.sched_setaffinity(0, {core})
    try:
        before = core_wait_seconds()
        deadline = time.monotonic() + 60
        while core_wait_seconds() == before and time.monotonic() < deadline:
            pass
        assert core_wait_seconds() > before
    finally:
        os.sched_setaffinity(0, allowed)
        neighbour.kill()
        neighbour.wait()
