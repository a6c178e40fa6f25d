"""Which workers live: each holds a lock that the kernel takes away with its process.

A worker is known by a random number, and locks the byte at that place of one file. So nothing has
to be renewed, and nothing is left behind that could be mistaken for a worker.
"""

import fcntl
import os
import secrets
import struct
from pathlib import Path

NOBODY = 0
NUMBER_BITS = 62  # places in a file are signed numbers of 64 bits

# struct flock of Linux on 64-bit machines: type, whence, start, length, pid.
_FLOCK = struct.Struct("hhqqi4x")


class Ownership:
    """This worker's number, for as long as it lives."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError`."""
        self.number = secrets.randbits(NUMBER_BITS) or 1
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, self.number))

    def is_alive(self, number: int) -> bool:
        """Whether the worker of that number is there: this one, or another one."""
        if number in (NOBODY, self.number):
            return number == self.number
        found = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, _lock(fcntl.F_WRLCK, number))
        kind, *_ = _FLOCK.unpack(found)
        return bool(kind != fcntl.F_UNLCK)

    def end(self) -> None:
        """Be no worker any more."""
        os.close(self._file)


def _lock(kind: int, number: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, number, 1, 0)
