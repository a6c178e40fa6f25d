"""What is idle, and what it takes meanwhile."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idle import MOST_SHARE, measure, name_of, shares_of, table, used_by
from processes import SOURCE, ServerError


def test_processes_are_named_by_what_they_are() -> None:
    """An engine by its model, too."""
    engine = ["python", "-m", "serve_daemon.engine", "--model", "small", "--link-fd", "4"]
    assert name_of(engine) == "engine small"
    assert name_of(["python", "-m", "serve_daemon.gateway", "--link-fd", "4"]) == "gateway"
    assert name_of(["python", "/bin/serve-daemon", "--config", "f"]) == "supervisor"


def test_who_waits_takes_nothing_and_who_computes_a_core() -> None:
    """Of the wall's time, by the scheduler's count."""
    waiting = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        (idle_share, _), (busy_share, _) = (
            shares_of(each.pid, 1.0)["supervisor"] for each in (waiting, busy)
        )
    finally:
        for each in (waiting, busy):
            each.kill()
            each.communicate()
    assert busy_share > idle_share
    assert busy_share < 1.5


def test_what_is_used_only_grows() -> None:
    """The scheduler counts from a process's begin."""
    before = used_by(os.getpid())
    sum(range(1_000_000))
    assert used_by(os.getpid()).seconds > before.seconds


def test_a_daemon_whose_processes_change_is_not_idle() -> None:
    """A child that ends meanwhile, as one that compiles."""
    with (
        subprocess.Popen(["sh", "-c", "sleep 0.5; sleep 2"]) as shell,
        pytest.raises(ServerError, match="begun or ended"),
    ):
        shares_of(shell.pid, 1.0)


def test_the_last_row_is_the_sum() -> None:
    """Of all processes."""
    rows = table({"supervisor": (0.001, 2.0), "gateway": (0.002, 3.0)})
    assert rows[-1] == "| all | 0.30 | 5.0 |"


@pytest.mark.long
def test_a_daemon_that_nobody_asks_takes_less_than_a_hundredth_of_a_core(
    tmp_path: Path, model_cache: Path
) -> None:
    """With an engine of each kind, over a minute."""
    chosen = argparse.Namespace(seconds=60.0, settle=5.0, source=SOURCE, cache=model_cache)
    shares = measure(tmp_path, chosen)
    assert {"supervisor", "gateway", "engine compiled"} <= shares.keys()
    assert sum(share for share, _ in shares.values()) < MOST_SHARE
