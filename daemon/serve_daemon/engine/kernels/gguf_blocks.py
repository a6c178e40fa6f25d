"""GGUF's block-quantized types, taken apart into numbers and scales.

The formats are ggml's (`ggml-common.h`, `ggml-quants.c`; the PyPI package `gguf` has them in
numpy). Each weight is an unsigned number times a scale, plus a minimum; where a type has no
minimums, a fixed number is taken from each first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

COLUMNS = 32  # that share a scale, at most
BYTE = 8  # bits
NIBBLES = 0x0F0F0F0F


@dataclass(frozen=True)
class BlockType:
    """A GGUF type: `elements` a block of the file, `bytes` that it takes, `bits` of each number."""

    name: str
    elements: int
    bytes: int
    bits: int
    zero: int = 0  # the number that stands for 0, where there are no minimums
    halves: int = 1  # the float16 of a block: its scale, and its minimum or the minimums' scale

    @property
    def has_small_scales(self) -> bool:
        return self.elements > COLUMNS

    @property
    def is_bytes(self) -> bool:
        return self.bits == BYTE

    @property
    def high_bits(self) -> int:
        """How many bits of a number are kept apart from its lower four."""
        return 0 if self.is_bytes else self.bits - 4


BLOCK_TYPES = {
    2: BlockType("Q4_0", 32, 18, bits=4, zero=8),
    3: BlockType("Q4_1", 32, 20, bits=4, halves=2),
    6: BlockType("Q5_0", 32, 22, bits=5, zero=16),
    7: BlockType("Q5_1", 32, 24, bits=5, halves=2),
    8: BlockType("Q8_0", 32, 34, bits=8, zero=128),
    12: BlockType("Q4_K", 256, 144, bits=4, halves=2),
    13: BlockType("Q5_K", 256, 176, bits=5, halves=2),
    14: BlockType("Q6_K", 256, 210, bits=6, zero=32),
}


@dataclass(frozen=True)
class Blocks:
    """A weight [rows, columns] in parts.

    numbers: uint8 [rows, columns], as they are in the file but unsigned.
    halves: float16 [rows, columns / elements, 1 or 2].
    small: uint8 [rows, columns / 32, 2]: the small scale and minimum, 6 bits each; of Q6_K the
    signed small scales of 16 columns each.
    """

    type: BlockType
    numbers: Tensor
    halves: Tensor
    small: Tensor | None

    def scales(self) -> Tensor:
        """float32 [rows, columns / 32], of Q6_K [rows, columns / 16]."""
        scales = self.halves[..., 0].float()
        if self.small is None:
            return scales
        signed = bool(self.type.zero)
        small = self.small.view(torch.int8).flatten(1) if signed else self.small[..., 0]
        return scales.repeat_interleave(small.shape[1] // scales.shape[1], 1) * small

    def minimums(self) -> Tensor | None:
        """float32 [rows, columns / 32], where the type has some: what is added."""
        if self.type.zero:
            return None
        minimums = self.halves[..., 1].float()
        if self.small is None:
            return minimums
        small = self.small[..., 1].float()
        return minimums.repeat_interleave(small.shape[1] // minimums.shape[1], 1) * -small

    def values(self) -> Tensor:
        """De-quantized, float32 [rows, columns]."""
        scales, minimums = self.scales(), self.minimums()
        numbers = torch.unflatten(self.numbers.float(), 1, (scales.shape[1], -1))
        if self.type.zero:
            numbers -= self.type.zero
        numbers *= scales[..., None]
        if minimums is not None:
            numbers += minimums[..., None]
        return numbers.flatten(1)


def names() -> str:
    return ", ".join(kind.name for kind in BLOCK_TYPES.values())


def as_rows(raw: Tensor, kind: BlockType, rows: int, columns: int) -> Tensor:
    """`raw` as uint8 [rows, blocks, bytes]; ValueError where its size is another."""
    blocks = columns // kind.elements
    if raw.dtype is not torch.uint8 or raw.numel() != rows * blocks * kind.bytes:
        raise ValueError(
            f"{kind.name} [{rows}, {columns}] is {rows * blocks * kind.bytes} bytes, "
            f"not {raw.numel()} of {raw.dtype}"
        )
    return raw.reshape(rows, blocks, kind.bytes)


def read(blocks: Tensor, kind: BlockType) -> Blocks:
    """Of `as_rows`."""
    numbers, halves, small = READERS[kind.name](blocks)
    floats = halves.contiguous().view(torch.float16)
    return Blocks(kind, numbers.reshape(blocks.shape[0], -1), floats, small)


Parts = tuple[Tensor, Tensor, Tensor | None]


def _q4_0(blocks: Tensor) -> Parts:
    return _halved(blocks[..., 2:]), blocks[..., :2], None


def _q4_1(blocks: Tensor) -> Parts:
    return _halved(blocks[..., 4:]), blocks[..., :4], None


def _q5_0(blocks: Tensor) -> Parts:
    numbers = _halved(blocks[..., 6:]) | _bits(blocks[..., 2:6]) << 4
    return numbers, blocks[..., :2], None


def _q5_1(blocks: Tensor) -> Parts:
    numbers = _halved(blocks[..., 8:]) | _bits(blocks[..., 4:8]) << 4
    return numbers, blocks[..., :4], None


def _q8_0(blocks: Tensor) -> Parts:
    """Signed numbers; 128 is added by turning the highest bit."""
    return blocks[..., 2:] ^ 128, blocks[..., :2], None


def _q4_k(blocks: Tensor) -> Parts:
    numbers = _halved(blocks[..., 16:], 32)
    return numbers, blocks[..., :4], _small(blocks[..., 4:16])


def _q5_k(blocks: Tensor) -> Parts:
    shifts = torch.arange(8, dtype=torch.uint8)[:, None]
    high = (blocks[..., None, 16:48] >> shifts & 1).flatten(-2)
    return _halved(blocks[..., 48:], 32) | high << 4, blocks[..., :4], _small(blocks[..., 4:16])


def _q6_k(blocks: Tensor) -> Parts:
    """Two halves of 128: 64 bytes of low parts, 32 of high ones, 2 bits of each of four 32."""
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8)[:, None]
    high = (torch.unflatten(blocks[..., 128:192], -1, (2, 1, 32)) >> shifts & 3).flatten(-3)
    small = torch.unflatten(blocks[..., 192:208], -1, (8, 2)).flatten(1, 2)
    return _halved(blocks[..., :128], 64) | high << 4, blocks[..., 208:], small.contiguous()


READERS: dict[str, Callable[[Tensor], Parts]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}


def _halved(packed: Tensor, run: int = 16) -> Tensor:
    """Of each `run` bytes of [..., n] the low halves, then the high ones: [..., 2 n]."""
    words = packed.clone(memory_format=torch.contiguous_format).view(torch.int32)
    words = torch.unflatten(words, -1, (-1, run // 4))
    halves = torch.cat([words & NIBBLES, words >> 4 & NIBBLES], -1)
    return halves.flatten(-2).view(torch.uint8)


def _bits(packed: Tensor) -> Tensor:
    """The bits of [..., n] bytes, the lowest first: [..., 8 n] bytes of 0 or 1."""
    return (packed[..., None] >> torch.arange(8, dtype=torch.uint8) & 1).flatten(-2)


def _small(packed: Tensor) -> Tensor:
    """12 bytes as 8 scales and 8 minimums of 6 bits (`get_scale_min_k4`): [rows, blocks * 8, 2]."""
    scale, minimum, high = torch.unflatten(packed, -1, (3, 4)).unbind(-2)
    scales = torch.cat([scale & 63, (high & 15) | (scale >> 2 & 48)], -1)
    minimums = torch.cat([minimum & 63, high >> 4 | (minimum >> 2 & 48)], -1)
    return torch.stack([scales, minimums], -1).flatten(1, 2)
