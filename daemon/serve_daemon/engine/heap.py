"""What the C library does with memory that is freed."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

M_MMAP_THRESHOLD = -3  # of malloc.h
WHILE_LOADING = 256 * 1024  # bytes; larger blocks go back to the kernel as soon as they are freed
USUAL = 32 * 1024 * 1024  # the most that glibc comes to by itself, and quickest for a step

_libc = ctypes.CDLL(None)


@contextmanager
def returned_at_once() -> Iterator[None]:
    """Meanwhile freed memory is given back, which makes allocating slower but leaves no holes.

    Loading frees much that it takes, in an order that has a heap grow to several times what is in
    use. Where the C library isn't glibc, nothing changes.
    """
    if not hasattr(_libc, "mallopt"):
        yield
        return
    _libc.mallopt(M_MMAP_THRESHOLD, WHILE_LOADING)
    try:
        yield
    finally:
        _libc.mallopt(M_MMAP_THRESHOLD, USUAL)
        _libc.malloc_trim(0)
