"""What the operators over block-quantized weights compute, in plain torch: their definition.

The numerics are llama.cpp's: the input is quantized to 8 bits in blocks of 32, whose products with
a block of a weight are summed as integers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from serve_daemon.engine.kernels import blocks, reference
from serve_daemon.engine.kernels.gguf_blocks import COLUMNS

LARGEST = 127  # of the quantized input, as of llama.cpp's Q8_0
SMALLEST_SCALE = torch.finfo(torch.float32).tiny  # below, 1 / scale may be infinite: a zero


def quantize_input(rows: Tensor) -> tuple[Tensor, Tensor]:
    """[n, columns] as whole numbers from -127 to 127 [n, columns / 32, 32] and scales [n, ...].

    Both float32. Where a block holds what is not finite, its scale is not and its numbers are 0,
    so that the whole row of a result is not a number.
    """
    parts = torch.unflatten(rows.float(), 1, (-1, COLUMNS))
    scales = parts.abs().amax(-1) / LARGEST
    scales = torch.where(scales < SMALLEST_SCALE, 0.0, scales)
    usable = (scales > 0) & scales.isfinite()
    inverse = torch.where(usable, 1 / scales, 0.0)
    numbers = (parts * inverse[..., None]).round()
    return torch.where(usable[..., None], numbers, 0.0), scales


def block_linear(
    input: Tensor,  # noqa: A002 - the schema's
    packed_weight: Tensor,
    bias: Tensor | None,
    layout: int,
    out_features: int,
) -> Tensor:
    """See `operators`."""
    weight = blocks.unpack_blocks(packed_weight, layout, out_features, input.shape[-1])
    zero, scales, minimums = weight.type.zero, weight.scales(), weight.minimums()
    numbers, input_scales = quantize_input(input.reshape(-1, input.shape[-1]))
    columns = COLUMNS // (scales.shape[1] * COLUMNS // input.shape[-1])  # that share a scale
    sums = numbers.new_zeros(numbers.shape[0], out_features)
    for at in range(numbers.shape[1]):
        part = numbers[:, at]
        factors = weight.numbers[:, at * COLUMNS : (at + 1) * COLUMNS].float() - zero
        block = numbers.new_zeros(sums.shape)
        for begin in range(0, COLUMNS, columns):
            products = part[:, begin : begin + columns] @ factors[:, begin : begin + columns].T
            block += products * scales[:, (at * COLUMNS + begin) // columns]
        if minimums is not None:
            block += part.sum(1, keepdim=True) * minimums[:, at]
        sums += block * input_scales[:, at, None]
    if bias is not None:
        sums += bias.float()
    return sums.to(input.dtype).reshape(*input.shape[:-1], out_features)


def block_linears(
    input: Tensor,  # noqa: A002 - the schema's
    packed_weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    layouts: Sequence[int],
    out_features: Sequence[int],
) -> list[Tensor]:
    """See `operators`."""
    each = zip(packed_weights, biases, layouts, out_features, strict=True)
    return [block_linear(input, *arguments) for arguments in each]


def bf16_linears(
    input: Tensor,  # noqa: A002 - the schema's
    packed_weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    out_features: Sequence[int],
) -> list[Tensor]:
    """See `operators`."""
    each = zip(packed_weights, biases, out_features, strict=True)
    return [reference.bf16_linear(input, *arguments) for arguments in each]


def block_embedding(  # noqa: PLR0913, PLR0917 - the schema's
    ids: Tensor, packed_weight: Tensor, layout: int, rows: int, columns: int, dtype: torch.dtype
) -> Tensor:
    """See `operators`."""
    panels = packed_weight.reshape(-(-rows // blocks.PANEL), -1)
    flat = ids.flatten()
    # Each id's panel is taken out whole, and of that its row.
    chosen = panels[flat // blocks.PANEL].flatten()
    values = blocks.unpack(chosen, layout, len(flat) * blocks.PANEL, columns)
    own = torch.arange(len(flat), device=ids.device) * blocks.PANEL + flat % blocks.PANEL
    return values[own].to(dtype).reshape(*ids.shape, columns)
