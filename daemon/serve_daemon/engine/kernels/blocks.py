"""Block-quantized weights as the operators read them: in panels, and the way there and back.

A weight [rows, columns] of a GGUF file keeps its numbers and scales to the last bit; they are only
put into another order, so that one load brings what is multiplied together. A panel is 32 rows
(outputs). It holds, group by group of the type's blocks, one after the other:

- the scales of 32 rows, float16; then the minimums of 32 rows, float16, where the type has some;
- for each 32 columns (inputs) of the group:
  - of the types with groups of 256: 32 + 32 bytes, the small scales and minimums of 32 rows
    (Q6_K: the small scales of the first and of the last 16 columns);
  - 8 steps of 4 columns, each 16 rows by 4 columns of bytes for rows 0..15 and again for 16..31;
    of the types with 4 to 6 bits the two lie in the low and high halves of 64 bytes;
  - of the types with 5 or 6 bits: 8 steps, for each bit above the fourth, 64 bits of rows 0..15
    and 64 of rows 16..31.

Rows that fill up the last panel are zero. Every part is a multiple of 64 bytes long.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from serve_daemon.engine.kernels import gguf_blocks
from serve_daemon.engine.kernels.gguf_blocks import BLOCK_TYPES, COLUMNS, Blocks, BlockType

# Of what `pack` returns: what keeps it in files makes this part of their names.
LAYOUT_VERSION = 1

PANEL = 32  # rows that lie together
STEP = 4  # columns that lie together
ELEMENTS_AT_ONCE = 1 << 22  # which bounds the memory that packing takes besides the result


class Layout(IntEnum):
    """How a packed weight is to be read: the number of the GGUF type that it was."""

    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14


@dataclass(frozen=True)
class Panels:
    """The sizes, in bytes, of a packed weight [rows, columns]."""

    layout: Layout
    rows: int
    columns: int

    @property
    def count(self) -> int:
        return -(-self.rows // PANEL)

    @property
    def groups(self) -> int:
        return self.columns // self.type.elements

    @property
    def type(self) -> BlockType:
        return BLOCK_TYPES[self.layout]

    @property
    def header(self) -> int:
        return self.type.halves * PANEL * 2

    @property
    def small(self) -> int:
        return 2 * PANEL if self.type.has_small_scales else 0

    @property
    def low(self) -> int:
        return PANEL * COLUMNS // (1 if self.type.is_bytes else 2)

    @property
    def high(self) -> int:
        return PANEL * COLUMNS // 8 * self.type.high_bits

    @property
    def block(self) -> int:
        return self.small + self.low + self.high

    @property
    def group(self) -> int:
        return self.header + self.type.elements // COLUMNS * self.block

    @property
    def panel(self) -> int:
        return self.groups * self.group


def packed_bytes(layout: int, rows: int, columns: int) -> int:
    """The size of a packed weight. ValueError where `columns` is not whole blocks."""
    panels = _panels(layout, rows, columns)
    return panels.count * panels.panel


def pack(raw: Tensor, ggml_type: int, shape: tuple[int, int]) -> tuple[Layout, Tensor]:
    """The rows of a GGUF tensor (uint8, as they lie in the file) as (layout, uint8 [bytes]).

    `shape` is (rows, columns). ValueError where the type is none of BLOCK_TYPES, or `raw` or
    `columns` has another size than it must.
    """
    rows, columns = shape
    panels = _panels(ggml_type, rows, columns)
    blocks = gguf_blocks.as_rows(raw, panels.type, rows, columns)
    packed = torch.empty(panels.count * panels.panel, dtype=torch.uint8)
    at_once = max(ELEMENTS_AT_ONCE // max(columns, 1) // PANEL, 1)
    written = packed.view(panels.count, panels.panel)
    for begin in range(0, panels.count, at_once):
        part = blocks[begin * PANEL : (begin + at_once) * PANEL]
        parts = gguf_blocks.read(part, panels.type)
        _write(parts, panels, written[begin : begin + at_once])
    return panels.layout, packed


def unpack(packed: Tensor, layout: int, rows: int, columns: int) -> Tensor:
    """The weight that was packed, de-quantized as GGUF has it: float32 [rows, columns]."""
    return unpack_blocks(packed, layout, rows, columns).values()


def dequantize(raw: Tensor, ggml_type: int, shape: tuple[int, int]) -> Tensor:
    """The rows of a GGUF tensor (uint8, as they lie in the file) in float32 [rows, columns]."""
    panels = _panels(ggml_type, *shape)
    return gguf_blocks.read(gguf_blocks.as_rows(raw, panels.type, *shape), panels.type).values()


def unpack_blocks(packed: Tensor, layout: int, rows: int, columns: int) -> Blocks:
    """The numbers and scales that `pack` was given."""
    panels = _panels(layout, rows, columns)
    groups = packed.reshape(panels.count, panels.groups, panels.group)
    header = groups[..., : panels.header].contiguous().view(torch.float16)
    header = torch.unflatten(header, -1, (panels.type.halves, PANEL)).permute(0, 3, 1, 2)
    blocks = groups[..., panels.header :].reshape(panels.count, -1, panels.block)
    small, low, high = blocks.split_with_sizes([panels.small, panels.low, panels.high], -1)
    small = (
        torch.unflatten(small, -1, (2, panels.small // 2)).permute(0, 3, 1, 2).flatten(0, 1)[:rows]
    )
    return Blocks(
        panels.type,
        _unpack_numbers(low, high, panels)[:rows],
        header.flatten(0, 1)[:rows],
        small if panels.small else None,
    )


def _panels(layout: int, rows: int, columns: int) -> Panels:
    if layout not in BLOCK_TYPES:
        raise ValueError(f"GGUF's type {layout} is none of {gguf_blocks.names()}")
    kind = BLOCK_TYPES[layout]
    if columns % kind.elements:
        raise ValueError(
            f"a weight [{rows}, {columns}] can't be {kind.name}, whose blocks are {kind.elements}"
        )
    return Panels(Layout(layout), rows, columns)


def _write(parts: Blocks, panels: Panels, to: Tensor) -> None:
    """Fill `to` [panels, bytes of one] with `parts`, and with zeros where there are no rows."""
    groups = to.view(to.shape[0], panels.groups, panels.group)
    header = _by_panel(parts.halves).permute(0, 2, 3, 1).contiguous()
    groups[..., : panels.header] = header.flatten(2).view(torch.uint8)
    inner = torch.unflatten(groups[..., panels.header :], -1, (-1, panels.block))
    if parts.small is not None:
        small = _by_panel(parts.small).permute(0, 2, 3, 1).flatten(2)
        inner[..., : panels.small] = torch.unflatten(small, 1, (panels.groups, -1))
    numbers = _pack_numbers(parts.numbers, panels)
    inner[..., panels.small :] = torch.unflatten(numbers, 1, (panels.groups, -1))


def _by_panel(rows: Tensor) -> Tensor:
    """[rows, ...] as [panels, PANEL, ...], filled up with zeros."""
    missing = -rows.shape[0] % PANEL
    if missing:
        rows = torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])])
    return torch.unflatten(rows, 0, (-1, PANEL))


def _pack_numbers(numbers: Tensor, panels: Panels) -> Tensor:
    """uint8 [rows, columns] as [panels, columns / 32, low and high bytes]."""
    words = _by_panel(numbers).view(torch.int32)  # of STEP columns each
    words = words.reshape(words.shape[0], 2, PANEL // 2, -1, COLUMNS // STEP)
    words = words.permute(0, 3, 4, 1, 2).contiguous()  # [panels, blocks, step, half, 16 rows]
    if panels.type.is_bytes:
        return words.flatten(2).view(torch.uint8)
    low = words[..., 0, :] | words[..., 1, :] << 4
    if not panels.type.high_bits:
        return low.flatten(2).view(torch.uint8)
    low = (words[..., 0, :] & 0x0F0F0F0F) | (words[..., 1, :] & 0x0F0F0F0F) << 4
    high = torch.stack(
        [_as_bits(words.view(torch.uint8) >> 4 + bit) for bit in range(panels.type.high_bits)], -3
    )
    return torch.cat([low.flatten(2).view(torch.uint8), high.flatten(2)], -1)


def _unpack_numbers(low: Tensor, high: Tensor, panels: Panels) -> Tensor:
    """What `_pack_numbers` made, as uint8 [rows, columns], with the rows that fill up."""
    shape = (COLUMNS // STEP, 2, 16, STEP)
    if panels.type.is_bytes:
        numbers = torch.unflatten(low, -1, shape)
    else:
        halves = torch.unflatten(low, -1, (COLUMNS // STEP, 1, 16, STEP))
        numbers = torch.cat([halves & 15, halves >> 4], -3)
    if panels.type.high_bits:
        planes = torch.unflatten(high, -1, (COLUMNS // STEP, -1, 2, 8, 1))
        bits = planes >> torch.arange(8, dtype=torch.uint8) & 1
        for bit in range(panels.type.high_bits):
            numbers = numbers | bits[..., bit, :, :, :].reshape(numbers.shape) << 4 + bit
    return numbers.permute(0, 3, 4, 1, 2, 5).flatten(0, 2).flatten(1)


def _as_bits(numbers: Tensor) -> Tensor:
    """The lowest bits of [..., 64] bytes as [..., 8] bytes, the first number's bit the lowest."""
    eights = torch.unflatten(numbers & 1, -1, (8, 8)) << torch.arange(8, dtype=torch.uint8)
    return eights.sum(-1, dtype=torch.uint8)
