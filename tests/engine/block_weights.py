"""Random block-quantized weights, as a GGUF file holds them."""

import numpy as np
import torch
from torch import Tensor

from serve_daemon.engine.kernels import blocks
from serve_daemon.engine.kernels.gguf_blocks import BLOCK_TYPES

LAST = {"Q6_K"}  # whose float16 lie behind the rest of a block


def raw_weight(layout: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    """Any bytes, uint8 [rows, bytes], but for scales that are about as large as real ones."""
    kind = BLOCK_TYPES[layout]
    random = np.random.default_rng([layout, rows, columns, seed])
    shape = (rows, columns // kind.elements, kind.bytes)
    raw = random.integers(0, 256, shape, dtype=np.uint8)
    scales = random.standard_normal((*shape[:2], kind.halves)) / 64
    begin = kind.bytes - 2 if kind.name in LAST else 0
    raw[..., begin : begin + 2 * kind.halves] = scales.astype(np.float16).view(np.uint8)
    return torch.from_numpy(raw.reshape(rows, -1))


def packed_weight(layout: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    """The same, packed."""
    return blocks.pack(raw_weight(layout, rows, columns, seed), layout, (rows, columns))[1]
