"""Steps in which every sequence decodes, captured as CUDA graphs and replayed.

A graph has one number of rows, so there is one for each of a few sizes, and a batch is filled up to
the next of them. A step with a piece of a prompt is computed as it comes.
CUDA C++ Programming Guide, "CUDA Graphs"; torch.cuda.graph.
"""

from bisect import bisect_left
from typing import Any

import numpy as np
import torch
from msgspec import Struct

from serve_daemon.engine.compiled.sequences import NOWHERE, SMALLEST_BATCH, Batch, pack
from serve_daemon.engine.compiled.step import Forward, compute, places

FINE_SIZES = (2, 4, 8)
COARSE_STEP = 8
COARSE_LIMIT = 64
WARM_UP_RUNS = 3  # before a capture, on a stream of its own, as torch's manual has it


def sizes_up_to(max_rows: int) -> list[int]:
    """The numbers of rows to capture, so that a batch of `max_rows` has one."""
    sizes = [size for size in FINE_SIZES if size < max_rows]
    sizes += range(COARSE_STEP * 2, min(max_rows, COARSE_LIMIT), COARSE_STEP)
    sizes += range(COARSE_LIMIT, max_rows, COARSE_LIMIT // 2)
    return sorted({*sizes, max(max_rows, SMALLEST_BATCH)})


def fill(batch: Batch, size: int) -> Batch:
    """`batch` with rows that are nowhere, up to `size`."""
    missing = size - len(batch.tokens)
    return Batch(
        tokens=np.pad(batch.tokens, (0, missing)),
        slots=np.pad(batch.slots, (0, missing), constant_values=NOWHERE),
        positions=np.pad(batch.positions, (0, missing)),
        wanted=np.arange(size),
        is_every_row_wanted=True,
    )


class Captured(Struct, frozen=True):
    """One graph, the memory that it reads its rows from, and the memory that it writes to."""

    graph: torch.cuda.CUDAGraph
    places: list[torch.Tensor]  # tokens, slots, positions, wanted: [size]
    logits: torch.Tensor  # [size, V]


class Graphs:
    """Computes batches with `forward`, by graphs where there is one."""

    def __init__(self, forward: Forward, device: str, max_rows: int) -> None:
        self._forward = forward
        self._device = device
        self._sizes = sizes_up_to(max_rows)
        self._captured: dict[int, Captured] = {}

    @torch.inference_mode()
    def capture(self) -> None:
        """Capture every size, the largest first: the smaller ones share its memory."""
        pool = torch.cuda.graph_pool_handle()
        for size in reversed(self._sizes):
            self._captured[size] = self._capture(size, pool)

    def compute(self, batch: Batch) -> torch.Tensor:
        """The logits of the wanted rows of `batch`; the next call may overwrite them."""
        if not batch.is_every_row_wanted or len(batch.tokens) > self._sizes[-1]:
            return compute(self._forward, batch, self._device)
        size = self._sizes[bisect_left(self._sizes, len(batch.tokens))]
        captured = self._captured[size]
        for place, new in zip(
            captured.places, places(fill(batch, size), self._device), strict=True
        ):
            place.copy_(new)
        captured.graph.replay()
        return captured.logits

    def _capture(self, size: int, pool: Any) -> Captured:
        inputs = places(fill(pack([]), size), self._device)
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_RUNS):
                self._forward(*inputs)
        torch.cuda.current_stream(self._device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            logits = self._forward(*inputs)
        return Captured(graph, inputs, logits)
