"""What the kernel says of memory."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

OWN_CONTROL_GROUP = Path("/proc/self/cgroup")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MACHINE = Path("/proc/vmstat")


def count_oom_kills() -> int:
    """How many processes the kernel has killed for want of memory.

    Of our own control group, which engines are in as well; of the whole machine where that is not
    to be known.
    """
    for file in (*_control_group_files(), MACHINE):
        with contextlib.suppress(OSError):
            counts = dict(line.split() for line in file.read_text().splitlines())
            if "oom_kill" in counts:
                return int(counts["oom_kill"])
    return 0


def _control_group_files() -> Iterator[Path]:
    """Where cgroup v2, and v1, count for the group that this process is in."""
    for line in OWN_CONTROL_GROUP.read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield CONTROL_GROUPS / group.lstrip("/") / "memory.events"
        elif controllers == "memory":
            yield CONTROL_GROUPS / "memory" / group.lstrip("/") / "memory.oom_control"


def resident_bytes(pid: int) -> int:
    """Memory that a process holds; 0 where it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
