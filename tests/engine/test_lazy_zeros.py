"""Zeros that take no memory until they are written to."""

import pytest

pytest.importorskip("torch")

import psutil
import torch

from serve_daemon.engine.continuous.lazy_zeros import LARGE_BYTES, LazyZeros

SIZE = 512 * LARGE_BYTES


def test_a_large_pool_takes_no_memory() -> None:
    """It is zeros all the same, and can be written to."""
    before = psutil.Process().memory_info().rss
    with LazyZeros():
        pool = torch.zeros(SIZE, dtype=torch.uint8, device=torch.device("cpu"))
    assert psutil.Process().memory_info().rss - before < SIZE / 4
    assert pool.shape == (SIZE,)
    assert pool.dtype is torch.uint8
    assert not pool[:: SIZE // 100].any()
    pool[SIZE // 2] = 7
    assert pool.view(torch.float32)[SIZE // 8] != 0


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((3, 4), torch.uint8), (LARGE_BYTES, torch.float32), (5, torch.int64)],
    ids=str,
)
def test_other_zeros_are_torch_s_own(shape: int | tuple[int, ...], dtype: torch.dtype) -> None:
    """Small ones, and those of other types."""
    with LazyZeros():
        made = torch.zeros(shape, dtype=dtype)
    assert torch.equal(made, torch.zeros(shape, dtype=dtype))
    assert made.dtype is dtype
