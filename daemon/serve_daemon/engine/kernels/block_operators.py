"""The schemas of the operators over several or block-quantized weights; see `operators`.

The implementations are `block_reference`'s until `build.load` puts in those of C++.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from serve_daemon.engine.kernels import block_reference

SCHEMAS = {
    "block_linear": (
        "(Tensor input, Tensor packed_weight, Tensor? bias, int layout, int out_features) -> Tensor"
    ),
    "block_linears": (
        "(Tensor input, Tensor[] packed_weights, Tensor?[] biases, int[] layouts, "
        "int[] out_features) -> Tensor[]"
    ),
    "bf16_linears": (
        "(Tensor input, Tensor[] packed_weights, Tensor?[] biases, int[] out_features) -> Tensor[]"
    ),
    "block_embedding": (
        "(Tensor ids, Tensor packed_weight, int layout, int rows, int columns, ScalarType dtype) "
        "-> Tensor"
    ),
}

for name, schema in SCHEMAS.items():
    torch.library.define(f"serve_daemon::{name}", schema)
    torch.library.impl(
        f"serve_daemon::{name}", "CompositeExplicitAutograd", getattr(block_reference, name)
    )


@torch.library.register_fake("serve_daemon::block_linear")  # type: ignore[untyped-decorator]
def _block_linear(
    rows: Tensor, _weight: Tensor, _bias: Tensor | None, _layout: int, out: int
) -> Tensor:
    return rows.new_empty((*rows.shape[:-1], out))


@torch.library.register_fake("serve_daemon::block_linears")  # type: ignore[untyped-decorator]
def _block_linears(
    rows: Tensor,
    _weights: Sequence[Tensor],
    _biases: Sequence[Tensor | None],
    _layouts: Sequence[int],
    outs: Sequence[int],
) -> list[Tensor]:
    return [rows.new_empty((*rows.shape[:-1], out)) for out in outs]


@torch.library.register_fake("serve_daemon::bf16_linears")  # type: ignore[untyped-decorator]
def _bf16_linears(
    rows: Tensor,
    _weights: Sequence[Tensor],
    _biases: Sequence[Tensor | None],
    outs: Sequence[int],
) -> list[Tensor]:
    return [rows.new_empty((*rows.shape[:-1], out)) for out in outs]


@torch.library.register_fake("serve_daemon::block_embedding")  # type: ignore[untyped-decorator]
def _block_embedding(
    ids: Tensor, weight: Tensor, _layout: int, _rows: int, columns: int, dtype: torch.dtype
) -> Tensor:
    return weight.new_empty((*ids.shape, columns), dtype=dtype)


# input [..., in] bfloat16 or float32, packed_weight from `blocks.pack` [out_features, in], bias
# [out_features] of the input's type or float32: [..., out_features] of the input's type, summed in
# float32 over an input quantized to 8 bits in blocks of 32. A row's result is the same for any
# number of rows, to the last bit; a row that holds what is not finite is not a number.
block_linear = torch.ops.serve_daemon.block_linear

# The same of several weights over one input, which is quantized once: the same bits.
block_linears = torch.ops.serve_daemon.block_linears

# `operators.bf16_linear` of several weights over one input: the same bits.
bf16_linears = torch.ops.serve_daemon.bf16_linears

# ids int64 [...], each of 0..rows - 1, packed_weight from `blocks.pack` [rows, columns]:
# [..., columns] of `dtype` (bfloat16, float32), exactly the de-quantized rows, rounded to it.
block_embedding = torch.ops.serve_daemon.block_embedding
