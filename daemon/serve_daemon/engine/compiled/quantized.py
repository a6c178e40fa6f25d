"""Linear layers that bitsandbytes has quantized, in a form that a compiler takes.

Its own layers keep what unpacks a weight in objects and decide at each call how to compute, which
`torch.export` can't follow. These hold the same tensors in buffers and call the same operators.
What a row of a result is never depends on what else is in the batch; how the float32 sums of
`FourBitLinear` are rounded may, by the library that multiplies.
"""

import math
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from serve_daemon.config.checkpoint import BITSANDBYTES

LARGEST = 127  # of the 8-bit integers in use
LEAST_SCALED = 1e-30  # for a row of zeros, which would be divided by zero


class FourBitLinear(nn.Module):
    """A weight of 4-bit numbers in blocks, as QLoRA has it (arXiv 2305.14314).

    The scales of the blocks are quantized themselves, or they are not: then `absmax_8bit` and what
    belongs to it are None.
    """

    packed_weight: Tensor  # uint8 [out * in / 2, 1]
    bias: Tensor | None

    def __init__(self, layer: Any) -> None:
        super().__init__()
        state = layer.weight.quant_state
        self.shape = list(state.shape)  # out, in
        self.block_size, self.kind = state.blocksize, state.quant_type
        self.dtype = layer.compute_dtype
        outer = state.state2 if state.nested else None
        self.register_buffer("packed_weight", _plain(layer.weight).view(-1, 1))
        self.register_buffer("absmax", (outer or state).absmax)
        self.register_buffer("absmax_8bit", state.absmax if outer else None)
        self.register_buffer("absmax_code", outer.code if outer else None)
        self.register_buffer("absmax_offset", state.offset if outer else None)
        self.register_buffer("bias", _plain(layer.bias))

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in] to [..., out], both of one type."""
        given = rows if self.dtype is None else rows.to(self.dtype)
        result: Tensor = torch.ops.bitsandbytes.gemm_4bit(
            given,
            self.packed_weight,
            self.shape,
            self.absmax,
            self.block_size,
            self.kind,
            bias=None if self.bias is None else self.bias.to(given.dtype),
            absmax_8bit=self.absmax_8bit,
            absmax_code=self.absmax_code,
            absmax_offset=self.absmax_offset,
        )
        return result.to(rows.dtype)


class InterleavedFourBitLinear(nn.Module):
    """The same in the order that a CPU with AVX512-BF16 multiplies by, which needs no unpacking."""

    packed_weight: Tensor  # uint8 [out, in / 2]
    absmax: Tensor  # bfloat16 [in / block size, out]
    levels: Tensor  # float32 [16], what each of the 4-bit numbers stands for
    bias: Tensor | None

    def __init__(self, layer: Any) -> None:
        super().__init__()
        state = layer.weight.quant_state
        self.shape = list(state.shape)  # out, in
        self.block_size = state.blocksize
        self.register_buffer("packed_weight", _plain(layer.weight))
        self.register_buffer("absmax", state.absmax)
        self.register_buffer("levels", state.code)
        self.register_buffer("bias", _plain(layer.bias))

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in] to [..., out], both of one type; multiplied in bfloat16."""
        result: Tensor = torch.ops.bitsandbytes.gemv_4bit(
            rows, self.packed_weight, self.shape, self.absmax, self.levels, self.block_size
        )
        return result if self.bias is None else result + self.bias.to(rows.dtype)


class EightBitLinear(nn.Module):
    """A weight of 8-bit integers with a scale for each row: LLM.int8(), arXiv 2208.07339.

    There, the columns that hold an outlier, anywhere in the batch, are multiplied in 16 bits, which
    makes a row depend on the others and the shapes on the values. Here each row is the sum of three
    rows of 8-bit integers: its values below the threshold, quantized as there, and its outliers
    in a coarse and a fine digit, 15 bits together. The three are multiplied exactly, and at once.
    """

    packed_weight: Tensor  # int8 [out, in]
    scale: Tensor  # float32 [out]
    bias: Tensor | None

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.threshold = layer.state.threshold or math.inf  # which 0 stands for
        self.register_buffer("packed_weight", _plain(layer.state.CB))
        self.register_buffer("scale", layer.state.SCB / LARGEST)
        self.register_buffer("bias", _plain(layer.bias))

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in] to [..., out], both of one type."""
        columns = rows.shape[-1]
        digits, scales = split(rows.reshape(-1, columns), self.threshold)
        sums = torch.ops.bitsandbytes.int8_linear_matmul(
            digits.reshape(-1, columns), self.packed_weight
        )
        count = self.packed_weight.shape[0]
        result: Tensor = (sums.reshape(len(digits), -1, count) * scales).sum(dim=0) * self.scale
        if self.bias is not None:
            result = result + self.bias
        return result.to(rows.dtype).reshape(*rows.shape[:-1], count)


def split(rows: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """`rows` [M, K] as int8 digits [3, M, K], and the float32 scale [3, M, 1] of each."""
    rows = rows.float()
    is_outlier = rows.abs() >= threshold
    inner, inner_scale = _quantized(torch.where(is_outlier, 0.0, rows))
    outliers = torch.where(is_outlier, rows, 0.0)
    coarse, coarse_scale = _quantized(outliers)
    fine_scale = coarse_scale / (2 * LARGEST)  # what is left is half a coarse digit at most
    fine = ((outliers - coarse * coarse_scale) / fine_scale).round()
    digits = torch.stack([inner, coarse, fine]).to(torch.int8)
    return digits, torch.stack([inner_scale, coarse_scale, fine_scale])


def _quantized(rows: Tensor) -> tuple[Tensor, Tensor]:
    largest = rows.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_SCALED)
    return (rows * (LARGEST / largest)).round(), largest / LARGEST


def replace_quantized(model: Any) -> int:
    """Put one of these in the place of every layer that bitsandbytes has quantized; how many.

    They take over the tensors of those layers: no weight is there twice.
    """
    if not _is_of_bitsandbytes(model):
        return 0
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, Linear4bit | Linear8bitLt)
    ]
    replaced: dict[nn.Module, nn.Module] = {}
    for parent, name, child in places:
        if child not in replaced:
            replaced[child] = _instead_of(child, model.dtype)
        setattr(parent, name, replaced[child])
    return len(replaced)


@torch.no_grad()
def _instead_of(layer: Any, dtype: torch.dtype) -> nn.Module:
    # A layer settles how it keeps its weight when it is used first.
    layer(torch.zeros(2, layer.in_features, dtype=dtype, device=layer.weight.device))
    if not hasattr(layer, "quant_state"):
        return EightBitLinear(layer)
    if getattr(layer.weight.quant_state, "packing_format_for_cpu", False):
        return InterleavedFourBitLinear(layer)
    return FourBitLinear(layer)


def version_of(model: Any) -> str:
    """Of the operators that the layers of `model` call; "" where bitsandbytes made none of them."""
    return version(BITSANDBYTES) if _is_of_bitsandbytes(model) else ""


def _is_of_bitsandbytes(model: Any) -> bool:
    return getattr(model, "quantization_method", None) == BITSANDBYTES


def _plain(tensor: Any) -> Any:
    """Without bitsandbytes' own class of parameters."""
    return None if tensor is None else tensor.detach().as_subclass(Tensor)
