"""What the C library does with memory that is freed."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KIB, MIB = 1024, 1024 * 1024
# Bytes: larger blocks go back to the kernel as soon as they are freed, and so does a free end of
# the heap that is larger.
WHILE_LOADING = {M_MMAP_THRESHOLD: 256 * KIB, M_TRIM_THRESHOLD: 128 * KIB}
# What glibc comes to by itself, and quickest: each step takes and frees the same again.
USUAL = {M_MMAP_THRESHOLD: 32 * MIB, M_TRIM_THRESHOLD: 64 * MIB}

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
    _set(WHILE_LOADING)
    try:
        yield
    finally:
        _set(USUAL)
        _libc.malloc_trim(0)


def _set(thresholds: dict[int, int]) -> None:
    for parameter, value in thresholds.items():
        _libc.mallopt(parameter, value)
