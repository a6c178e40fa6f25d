"""What the machine has of memory, beside what the daemon tells of its engines."""

import asyncio
from collections.abc import Iterable

from msgspec import Struct

from serve_daemon.config.free_memory import CUDA, free_bytes, total_bytes


class Device(Struct, frozen=True):
    name: str  # "cpu", or "cuda:N"
    total: int  # bytes
    free: int


async def devices(named: Iterable[str]) -> list[Device]:
    """The main memory, and that of the GPUs among `named`; without those that nobody can tell of.

    A driver is asked in another thread: it may take its time.
    """
    gpus = sorted({each for each in named if each.startswith(CUDA)})
    found = [_device("cpu")]
    if gpus:
        found += await asyncio.to_thread(lambda: [_device(each) for each in gpus])
    return [each for each in found if each is not None]


def _device(name: str) -> Device | None:
    total, free = total_bytes(name), free_bytes(name)
    return None if total is None or free is None else Device(name, total, free)
