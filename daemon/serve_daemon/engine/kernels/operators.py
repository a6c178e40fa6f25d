"""The operators' schemas, and what runs where no library is loaded.

`import serve_daemon.engine.kernels.operators` must come before a compiled package that calls them
is run. `build.load` puts the C++ implementations in for the CPU.
"""

import torch
from torch import Tensor

from serve_daemon.engine.kernels import (
    block_operators,  # noqa: F401 - declares its own
    cuda,
    int8_attention,
    reference,
)

NAMESPACE = "serve_daemon"

SLOT_ATTENTION = (
    "(Tensor query, Tensor key, Tensor value, Tensor(a!) key_cache, Tensor(b!) value_cache, "
    "Tensor slots, Tensor positions, float scale, int window, float softcap) -> Tensor"
)

SLOT_ATTENTION_INT8 = (
    "(Tensor query, Tensor key, Tensor value, Tensor(a!) key_cache, Tensor(b!) value_cache, "
    "Tensor(c!) key_scales, Tensor(d!) value_scales, "
    "Tensor slots, Tensor positions, float scale, int window, float softcap) -> Tensor"
)

BF16_LINEAR = "(Tensor input, Tensor packed_weight, Tensor? bias, int out_features) -> Tensor"

torch.library.define(f"{NAMESPACE}::slot_attention", SLOT_ATTENTION)
torch.library.define(f"{NAMESPACE}::slot_attention_int8", SLOT_ATTENTION_INT8)
torch.library.define(f"{NAMESPACE}::bf16_linear", BF16_LINEAR)
torch.library.impl(
    f"{NAMESPACE}::slot_attention", "CompositeExplicitAutograd", reference.slot_attention
)
torch.library.impl(f"{NAMESPACE}::slot_attention", "CUDA", cuda.slot_attention)
torch.library.impl(
    f"{NAMESPACE}::slot_attention_int8",
    "CompositeExplicitAutograd",
    int8_attention.slot_attention_int8,
)
torch.library.impl(f"{NAMESPACE}::bf16_linear", "CompositeExplicitAutograd", reference.bf16_linear)


@torch.library.register_fake(f"{NAMESPACE}::slot_attention")  # type: ignore[untyped-decorator]
@torch.library.register_fake(f"{NAMESPACE}::slot_attention_int8")  # type: ignore[untyped-decorator]
def _slot_attention(query: Tensor, *_: object) -> Tensor:
    return query.new_empty(query.shape)


@torch.library.register_fake(f"{NAMESPACE}::bf16_linear")  # type: ignore[untyped-decorator]
def _bf16_linear(rows: Tensor, _weight: Tensor, _bias: Tensor | None, out: int) -> Tensor:
    return rows.new_empty((*rows.shape[:-1], out))


# query [T, H, D], key and value [T, K, D], caches [S, K, L, D] contiguous and of query's type,
# slots and positions int64 [T]. Token t is stored at [slot, :, position] and attends to what its
# slot holds at max(0, position - window + 1) ..= position (window 0: from 0). A negative slot is
# padding: nothing is stored and its row of the result [T, H, D] is zero. A softcap of 0 is none.
slot_attention = torch.ops.serve_daemon.slot_attention

# The same with int8 caches [S, K, L, D] and float32 scales [S, K, L]: what is stored is quantized
# for each token and key head (`int8_attention.quantize`).
slot_attention_int8 = torch.ops.serve_daemon.slot_attention_int8

# input [..., in] bfloat16, packed_weight from `reference.pack_bf16_weight`, bias [out_features]
# bfloat16: [..., out_features] bfloat16, summed in float32. A row's result is the same for any
# number of rows.
bf16_linear = torch.ops.serve_daemon.bf16_linear
