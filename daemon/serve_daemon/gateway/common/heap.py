"""What the C library keeps of memory that was freed."""

import ctypes

_libc = ctypes.CDLL(None)


def give_back() -> None:
    """Give the kernel what is free, also between what is in use; glibc alone can do so.

    It keeps what a thread has freed for that thread, though it may never ask again. This takes
    milliseconds: to be called where much was read, once.
    """
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
