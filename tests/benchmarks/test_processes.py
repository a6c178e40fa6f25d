"""What is known of the processes of a benchmark: their memory, their time, that of others."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

import holding
import processes
from processes import Used, memory_of, others_share, used_seconds


def test_others_have_what_is_neither_the_servers_nor_idle() -> None:
    """Of 20 s on all cores 16 were used, 12 of them by the server and its client."""
    before, after = Used(100.0, 50.0, 5.0), Used(120.0, 66.0, 17.0)
    assert others_share(before, after) == pytest.approx(0.2)


def test_clocks_that_disagree_give_no_negative_share() -> None:
    """The kernel counts whole ticks for the machine, and finer for a process."""
    assert others_share(Used(0.0, 0.0, 0.0), Used(2.0, 1.0, 1.01)) == 0.0


def test_time_is_that_of_a_running_process() -> None:
    """Here of this one."""
    used = used_seconds(os.getpid())
    assert used.all_seconds > used.busy_seconds > 0
    assert used.own_seconds > 0


def test_memory_is_that_of_a_process_and_all_below_it() -> None:
    """A daemon's is its gateway's and its engine's too."""
    alone = memory_of(os.getpid())
    holding = "import sys; held = bytearray(b'x') * 50_000_000; print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        both = memory_of(os.getpid())
        child.communicate(b"\n")
    assert both.num_processes == alone.num_processes + 1
    assert both.total_bytes > alone.total_bytes + 50_000_000


def test_memory_that_can_not_be_shared_out_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Resident sizes count what is shared for each process, and must not pass for the others."""

    def denied(pid: int) -> NoReturn:
        raise PermissionError(pid)

    assert memory_of(os.getpid()).kind == "each page once"
    monkeypatch.setattr(holding, "seen_in", denied)
    found = memory_of(os.getpid())
    assert found.kind == "RSS"
    assert found.total_bytes > 1_000_000


def test_a_benchmark_that_is_terminated_takes_its_server_along() -> None:
    """A server left behind would disturb whatever is measured next."""
    source = (
        "import sys, processes; processes.stop_servers_when_terminated()\n"
        "sleeping = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "with processes.running(sleeping, {}) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    server.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(processes.__file__).parent)},
    ) as benchmark:
        assert benchmark.stdout is not None
        server = int(benchmark.stdout.readline())
        benchmark.terminate()
        assert benchmark.wait() == 128 + signal.SIGTERM
    assert not psutil.pid_exists(server)
