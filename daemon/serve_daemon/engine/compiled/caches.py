"""The keys and values of all slots, one pair of tensors a layer, with their scales if in 8 bits."""

from collections.abc import Iterable

import torch
from msgspec import Struct

from serve_daemon.engine import untouched

# Buffers of an attention module: [S, K, L, D], and [S, K, L] where those are int8.
KEYS, VALUES = "key_cache", "value_cache"
KEY_SCALES, VALUE_SCALES = "key_scales", "value_scales"
SCALES_TYPE = torch.float32

Caches = dict[str, torch.Tensor]  # by their names in a step


class Layer(Struct, frozen=True):
    """One attention layer: the name of its module in a step, and what a token adds to it."""

    name: str
    heads: int
    size: int  # of a key, and of a value


def bytes_per_token(layers: Iterable[Layer], dtype: torch.dtype) -> int:
    """Of caches of `dtype`."""
    scales = SCALES_TYPE.itemsize if dtype is torch.int8 else 0
    return sum(2 * layer.heads * (layer.size * dtype.itemsize + scales) for layer in layers)


def make(layers: Iterable[Layer], slots: int, length: int, like: torch.Tensor) -> Caches:
    """Room for `slots` sequences of `length` tokens, typed and placed as `like`."""
    made = {}
    for layer in layers:
        shape = (slots, layer.heads, length)
        for name in (KEYS, VALUES):
            made[f"{layer.name}.{name}"] = _zeros((*shape, layer.size), like)
        if like.dtype is torch.int8:
            for name in (KEY_SCALES, VALUE_SCALES):
                made[f"{layer.name}.{name}"] = untouched.zeros(shape, SCALES_TYPE)
    return made


def attach(caches: Caches, step: torch.nn.Module) -> None:
    """Have the attention modules of `step` find them."""
    for name, cache in caches.items():
        module, _, buffer = name.rpartition(".")
        step.get_submodule(module).register_buffer(buffer, cache, persistent=False)


def copy(caches: Caches, source: int, target: int, length: int) -> None:
    """Copy the first `length` tokens of slot `source` to slot `target`."""
    for cache in caches.values():
        cache[target, :, :length].copy_(cache[source, :, :length])


def _zeros(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """On a CPU, slots that nobody has used take no memory.

    On a GPU the heads of one token lie together, as flash attention wants them.
    """
    if like.device.type == "cpu":
        return untouched.zeros(shape, like.dtype)
    slots, heads, length, size = shape
    by_token = torch.zeros(slots, length, heads, size, dtype=like.dtype, device=like.device)
    return by_token.transpose(1, 2)
