"""Memory that was freed goes back to the kernel."""

import ctypes
from types import SimpleNamespace

import psutil
import pytest

from serve_daemon.gateway.common import heap

BLOCK_BYTES, NUM_BLOCKS = 4096, 20_000

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]


@pytest.mark.skipif(not hasattr(libc, "malloc_trim"), reason="the C library isn't glibc")
def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    """The last block stays, as one does in a thread that has read a vocabulary."""
    blocks = [libc.malloc(BLOCK_BYTES) for _ in range(NUM_BLOCKS)]
    for block in blocks:
        libc.memset(block, 1, BLOCK_BYTES)
    for block in blocks[:-1]:
        libc.free(block)
    process = psutil.Process()
    before = process.memory_info().rss
    heap.give_back()
    assert before - process.memory_info().rss > BLOCK_BYTES * NUM_BLOCKS / 2
    libc.free(blocks[-1])


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Musl has nothing of the kind."""
    other = SimpleNamespace()
    monkeypatch.setattr(heap, "_libc", other)
    heap.give_back()
    assert vars(other) == {}
