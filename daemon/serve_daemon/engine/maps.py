"""What this process has mapped of files, as the kernel tells it.

See /proc/PID/maps in Documentation/filesystems/proc.rst.
"""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

MAPS = Path("/proc/self/maps")
NO_FILE = "0"  # in the place of an inode


class Mapping(Struct, frozen=True):
    """A range of addresses, and where in a file it begins."""

    begin: int
    end: int
    offset: int  # bytes
    file: Path  # as it was named when it was mapped
    is_private: bool


def mappings() -> Iterator[Mapping]:
    """Every mapping of a file; one whose name was removed since has another name."""
    for line in MAPS.read_text(errors="replace").splitlines():
        addresses, rights, offset, _device, inode, *file = line.split(maxsplit=5)
        if inode != NO_FILE and file:
            begin, _, end = addresses.partition("-")
            yield Mapping(
                int(begin, 16), int(end, 16), int(offset, 16), Path(file[0]), "p" in rights
            )
