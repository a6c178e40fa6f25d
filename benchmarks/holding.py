"""What processes hold of memory, each page counted once, whoever else on the machine has it too.

The kernel's own proportional sizes divide the code of a library among all that have loaded it: what
a server weighs by them depends on which strangers run beside it.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

# Documentation/filesystems/proc.rst: a head for each mapping, and lines of sizes.
HEAD = re.compile(r"[0-9a-f]+-[0-9a-f]+ (?P<rights>\S+) (?P<offset>\S+) \S+ \d+ +(?P<file>/.*)")
SHARED_MEMORY = "/dev/zero"  # as the kernel names anonymous mappings that could be shared
NO_FILE = ""


class Held(NamedTuple):
    """Bytes of one process."""

    shmem: int  # anonymous mappings that could be shared, as slots are (`untouched.py`)
    anonymous: int
    file: int

    @property
    def total(self) -> int:
        return sum(self)


class Seen(NamedTuple):
    """Of one process, in bytes: its parts of anonymous pages, and all that it has of files."""

    shmem: int
    anonymous: int
    files: Mapping[str, int]  # by file, place and rights


def seen_in(pid: int) -> Seen:
    """Raises `OSError` where that is nobody's business or the process has gone."""
    folder = Path(f"/proc/{pid}")
    rollup = dict(map(_size, (folder / "smaps_rollup").read_text().splitlines()[1:]))
    files: Counter[str] = Counter()
    mapped = NO_FILE
    for line in (folder / "smaps").read_text(errors="replace").splitlines():
        if not line[0].isupper():
            mapped = _mapped(line)
        elif mapped and line.startswith(("Rss:", "Anonymous:")):
            name, size = _size(line)
            files[mapped] += size if name == "Rss" else -size
    return Seen(rollup["Pss_Shmem"], rollup["Pss_Anon"], files)


def each_once(seen: Mapping[int, Seen]) -> dict[int, Held]:
    """What the processes of one server hold, by their number.

    What several have of a file is counted for the one that has most of it.
    """
    files: Counter[int] = Counter()
    for name in {name for each in seen.values() for name in each.files}:
        most = max(seen, key=lambda pid: seen[pid].files.get(name, 0))
        files[most] += seen[most].files[name]
    return {pid: Held(each.shmem, each.anonymous, files[pid]) for pid, each in seen.items()}


def _mapped(head: str) -> str:
    found = HEAD.match(head)
    if found is None or found["file"].startswith(SHARED_MEMORY):
        return NO_FILE
    return " ".join(found.group("file", "offset", "rights"))


def _size(line: str) -> tuple[str, int]:
    """Bytes, by their name; 0 where that isn't a size."""
    name, _, rest = line.partition(":")
    number, *unit = rest.split()
    return name, int(number) * 1024 if unit == ["kB"] else 0
