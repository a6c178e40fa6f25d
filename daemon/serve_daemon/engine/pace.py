"""How many threads to compute with while others want the cores too.

Threads that share a computation wait for each other, spinning, hundreds of times a step. Where one
of them has lost its core to another process, all wait: a step of two threads beside two busy
processes takes ten times as long as a step of one thread.
"""

import os
import threading
from contextlib import suppress

WINDOW_SECONDS = 0.25  # of computing, before anything is concluded
CONTENDED_SHARE = 0.4  # of the time without a core; a thread that waits less is still worth having
SHORTEST_PATIENCE_SECONDS = 0.5  # before more threads are tried again; doubles as it fails
LONGEST_PATIENCE_SECONDS = 16.0
COUNTS_BYTES = 128  # of three numbers, as the kernel writes them


class Pace:
    """Takes threads away when the computing thread doesn't get its core, and gives them back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.threads = limit
        self._wall_seconds = self._waited_seconds = 0.0
        self._patience_seconds = SHORTEST_PATIENCE_SECONDS
        self._calm_seconds = 0.0  # since the last change

    def allow(self, limit: int) -> None:
        """Use up to `limit` threads from now on."""
        if limit != self._limit:
            self._limit = self.threads = limit
            self._calm_seconds = 0.0
            self._patience_seconds = SHORTEST_PATIENCE_SECONDS

    def add_step(self, wall_seconds: float, waited_seconds: float) -> None:
        """Take in a step that took `wall_seconds`, `waited_seconds` of them without a core."""
        self._wall_seconds += wall_seconds
        self._waited_seconds += waited_seconds
        if self._wall_seconds < WINDOW_SECONDS:
            return
        share = self._waited_seconds / self._wall_seconds
        self._calm_seconds += self._wall_seconds
        self._wall_seconds = self._waited_seconds = 0.0
        if self.threads > 1 and share > CONTENDED_SHARE:
            self._withdraw()
        elif self._calm_seconds >= self._patience_seconds:
            self._advance()

    def _withdraw(self) -> None:
        self.threads = max(1, self.threads * 3 // 4)
        self._calm_seconds = 0.0
        self._patience_seconds = min(self._patience_seconds * 2, LONGEST_PATIENCE_SECONDS)

    def _advance(self) -> None:
        if self.threads < self._limit:
            self.threads = min(self._limit, self.threads + max(1, self._limit // 4))
        else:
            self._patience_seconds = SHORTEST_PATIENCE_SECONDS
        self._calm_seconds = 0.0


class _Counts:
    """The kernel's counts of the thread that makes this; the file stays open: opening is dear."""

    def __init__(self) -> None:
        self.descriptor: int | None = None
        with suppress(OSError):
            self.descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        """Its thread has ended."""
        if self.descriptor is not None:
            os.close(self.descriptor)


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.counts = _Counts()


_own = _OfThread()


def core_wait_seconds() -> float:
    """How long this thread was ready to run and had no core, since it began.

    What it waited for other threads of its own process is not in it. 0 where Linux does not count
    (Documentation/scheduler/sched-stats.rst).
    """
    descriptor = _own.counts.descriptor
    if descriptor is None:
        return 0.0
    return int(os.pread(descriptor, COUNTS_BYTES, 0).split()[1]) / 1e9
