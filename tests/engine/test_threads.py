"""On which cores the threads of a computation run, as the kernel has it."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serve_daemon.engine.kernels import build
from serve_daemon.engine.threads import compute_with

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
    pytest.mark.usefixtures("library"),
]
CORES = os.sched_getaffinity(os.getpid())


def threads() -> set[int]:
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def cores_after(*numbers: int) -> list[set[int]]:
    """Where a new thread and its pool may run once it computed with these numbers, each thread."""
    before = threads()

    def compute() -> list[set[int]]:
        for number in numbers:
            compute_with(number)
        return [os.sched_getaffinity(each) for each in threads() - before]

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(compute).result()


@pytest.mark.skipif(len(CORES) == 1, reason="one core")
def test_each_thread_keeps_to_a_core_of_its_own() -> None:
    """As many of them as there are cores."""
    kept = [cores for cores in cores_after(len(CORES)) if len(cores) == 1]
    assert sorted(kept, key=min) == [{core} for core in sorted(CORES)]


@pytest.mark.skipif(len(CORES) == 1, reason="one core")
def test_fewer_threads_go_where_there_is_room() -> None:
    """Also the one that kept to a core before; the others wait."""
    kept = [cores for cores in cores_after(len(CORES), 1) if len(cores) == 1]
    assert len(kept) < len(CORES)
