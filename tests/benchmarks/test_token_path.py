"""What a token costs beside the forward pass, from what was counted."""

import os
import threading
from pathlib import Path

import pytest
import torch

from processes import ServerError
from token_path import HEAD, Cost, Seen, cost_between, row, thread_seconds
from watched_engine import Counts, Watch, counts_in


def test_a_cost_leaves_out_the_forward_pass() -> None:
    """And is of the tokens that were drawn meanwhile."""
    before = Seen(Counts(10, 100, 5.0, 4.0), engine_main_seconds=1.0, gateway_seconds=2.0)
    after = Seen(Counts(20, 420, 9.0, 7.0), engine_main_seconds=1.32, gateway_seconds=2.64)
    cost = cost_between(before, after)
    assert cost.tokens_per_step == 32
    assert cost.loop == pytest.approx(1 / 320)
    assert cost.main == pytest.approx(0.001)
    assert cost.gateway == pytest.approx(0.002)
    assert cost.whole == pytest.approx(1 / 320 + 0.003)


def test_nothing_drawn_is_an_error() -> None:
    """No figure comes of it."""
    with pytest.raises(ServerError, match="no token"):
        cost_between(Seen(Counts(), 0.0, 0.0), Seen(Counts(), 1.0, 1.0))


def test_a_row_has_a_cell_for_each_figure() -> None:
    """Medians of the rounds: of a step, and of a core at the rate."""
    costs = [Cost(32, 10e-6 * each, 5e-6, 40e-6) for each in (1, 2, 9)]
    cells = [cell.strip() for cell in row("greedy", 32, costs).strip("|").split("|")]
    assert cells == ["greedy", "32", "640", "160", "1280", "2", "0.5", "4", "6.5"]
    assert len(cells) == HEAD.splitlines()[0].count("|") - 1


def test_counts_are_read_by_another_program(tmp_path: Path) -> None:
    """As they are at the end of the last forward pass."""
    file = tmp_path / "counts"
    assert counts_in(file) == Counts()
    watch = Watch(file)
    watch.add_forward(0, 1.0, 3.0)
    watch.add_forward(32, 4.0, 7.0)
    assert counts_in(file) == Counts(steps=2, tokens=32, thread_seconds=7.0, forward_seconds=5.0)


def test_a_thread_is_counted_alone() -> None:
    """What another thread computes is no part of it."""
    before = thread_seconds(os.getpid(), threading.get_native_id())
    worker = threading.Thread(target=lambda: torch.randn(2000, 2000).sort())
    worker.start()
    worker.join()
    idle = thread_seconds(os.getpid(), threading.get_native_id()) - before
    torch.randn(2000, 2000).sort()
    busy = thread_seconds(os.getpid(), threading.get_native_id()) - before - idle
    assert busy > idle
