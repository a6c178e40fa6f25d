"""What is known of the processes of a benchmark: their memory, their time, that of others."""

import os

import pytest

from processes import Used, memory_bytes, others_share, used_seconds


def test_others_have_what_is_neither_the_servers_nor_idle() -> None:
    """Of 20 s on all cores 16 were used, 12 of them by the server and its client."""
    before, after = Used(100.0, 50.0, 5.0), Used(120.0, 66.0, 17.0)
    assert others_share(before, after) == pytest.approx(0.2)


def test_clocks_that_disagree_give_no_negative_share() -> None:
    """The kernel counts whole ticks for the machine, and finer for a process."""
    assert others_share(Used(0.0, 0.0, 0.0), Used(2.0, 1.0, 1.01)) == 0.0


def test_time_and_memory_are_those_of_a_running_process() -> None:
    """Here of this one."""
    used = used_seconds(os.getpid())
    assert used.all_seconds > used.busy_seconds > 0
    assert used.own_seconds > 0
    assert memory_bytes(os.getpid()) > 1_000_000
