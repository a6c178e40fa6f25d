"""Linear layers of a model, packed for the operator that multiplies by them."""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from serve_daemon.engine.kernels import build, operators, reference
from serve_daemon.engine.mapped import MappedFiles

AVX512_BF16 = 3  # the `Level` of source/targets.h


def is_supported() -> bool:
    """Whether this CPU has what makes `bf16_linear` faster than torch; call `build.load` before."""
    library = build.library()
    return library is not None and library.serve_daemon_level() == AVX512_BF16


class PackedLinear(nn.Module):
    """Computes what `linear` does, whose weight it keeps in another order.

    It has no `weight`, so it can be neither trained nor tied.
    """

    packed_weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight, bias = linear.weight.detach(), linear.bias
        self.register_buffer("packed_weight", reference.pack_bf16_weight(weight))
        self.register_buffer("bias", None if bias is None else bias.detach().contiguous())

    def forward(self, rows: Tensor) -> Tensor:
        """`rows` [..., in_features] to [..., out_features], both bfloat16."""
        result: Tensor = operators.bf16_linear(
            rows, self.packed_weight, self.bias, self.out_features
        )
        return result

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"


def pack_linears(model: nn.Module) -> int:
    """Put a PackedLinear in the place of every bfloat16 linear layer on the CPU; how many.

    Each weight is freed once it is packed; one that an embedding shares stays the embedding's.
    Where the CPU isn't one for it (`is_supported`), nothing is changed.
    """
    if not is_supported():
        return 0
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if _is_packable(child)
    ]
    files = MappedFiles()
    packed: dict[nn.Module, PackedLinear] = {}
    for parent, name, child in places:
        if child not in packed:
            packed[child] = PackedLinear(child)
            files.let_go(child.weight)
            del child.weight  # `places` holds the layer still
        setattr(parent, name, packed[child])
    return len(packed)


def _is_packable(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Of no subclass: those of quantized layers keep their weights in other ways."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    is_plain = type(weight.data) is torch.Tensor
    return is_plain and weight.dtype is torch.bfloat16 and weight.device.type == "cpu"
