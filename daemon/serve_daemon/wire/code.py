"""The code of this process that is in memory: what only its start has run is let go of."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAPS = Path("/proc/self/smaps")  # Documentation/filesystems/proc.rst
CODE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \d+ +/")
UNWRITTEN = ["Anonymous:", "0", "kB"]

_libc = ctypes.CDLL(None)


def let_go() -> None:
    """Have the kernel forget which pages of its libraries this process has in use.

    They stay in the kernel's cache of files, for as long as it has room. Code that runs again is
    found there, 16 pages at a time. A library such as torch runs through much of its code once, as
    it is loaded, to make known what it can do.
    """
    with suppress(OSError):  # a sandbox may have no /proc
        for begin, end in unwritten():
            _libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def unwritten() -> Iterator[tuple[int, int]]:
    """The addresses of code that is what its file says: what a debugger has put there would go.

    Raises `OSError`.
    """
    found = None
    for line in MAPS.read_text(errors="replace").splitlines():
        if not line[:1].isupper():  # the head of a mapping, and not a size
            found = CODE.match(line)
        elif found is not None and line.split() == UNWRITTEN:
            yield int(found[1], 16), int(found[2], 16)
