"""Memory that takes room as it is used, not when it is made."""

import math
import mmap
from collections.abc import Sequence

import torch


def zeros(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Zeros on the CPU that the kernel clears page by page, when each is first used.

    torch writes its zeros; numpy leaves them to the kernel but asks for huge pages, of which one
    for each place that is used takes a hundred times the room.
    """
    memory = mmap.mmap(-1, max(math.prod(shape) * dtype.itemsize, 1))
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype, count=math.prod(shape)).view(*shape)
