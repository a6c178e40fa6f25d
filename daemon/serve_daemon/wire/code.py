"""The code of this process that is in memory: what only its start has run is let go of."""

import ctypes
import mmap
from collections.abc import Iterator
from pathlib import Path

MAPS = Path("/proc/self/smaps")  # Documentation/filesystems/proc.rst
UNWRITTEN_CODE = "r-xp"

_libc = ctypes.CDLL(None)


def let_go() -> None:
    """Have the kernel forget which pages of its libraries this process has in use.

    They stay in the kernel's cache of files, for as long as it has room. Code that runs again is
    found there, 16 pages at a time. A library such as torch runs through much of its code once, as
    it is loaded, to make known what it can do.
    """
    for begin, end in _unchanged():
        _libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), mmap.MADV_DONTNEED)


def _unchanged() -> Iterator[tuple[int, int]]:
    """The addresses of code that is what its file says: what a debugger has put there would go."""
    addresses = ""
    for line in MAPS.read_text(errors="replace").splitlines():
        name, value, *rest = line.split(maxsplit=5)
        if not name.endswith(":"):
            is_of_a_file = rest[-1].startswith("/")
            addresses = name if value == UNWRITTEN_CODE and is_of_a_file else ""
        elif name == "Anonymous:" and value == "0" and addresses:
            begin, _, end = addresses.partition("-")
            yield int(begin, 16), int(end, 16)
