"""How much of a processor each process takes, from /proc."""

import os
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat behind the name, see proc(5).
USER, SYSTEM, START = 11, 12, 19


class Processors:
    """Remembers what processes had used when they were last asked about."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before: dict[int, tuple[float, float]] = {}

    def share(self, pid: int | None) -> float | None:
        """Of one processor since it was last asked, at first since it began; 1.0 is all of it.

        None where there is no such process to be seen.
        """
        read = self._read(pid) if pid else None
        if pid is None or read is None:
            return None
        used, started = read
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        used_before, before = self._before.get(pid, (0.0, started))
        if used < used_before:  # another process of the same number
            used_before, before = 0.0, started
        self._before[pid] = used, now
        return (used - used_before) / max(now - before, 1 / TICKS_PER_SECOND)

    def _read(self, pid: int) -> tuple[float, float] | None:
        """Seconds of processors used, and when it began, in seconds since the machine did."""
        try:
            text = (self._proc / str(pid) / "stat").read_text()
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()
        ticks = int(fields[USER]) + int(fields[SYSTEM])
        return ticks / TICKS_PER_SECOND, int(fields[START]) / TICKS_PER_SECOND
