"""The keys and values of all slots, one pair of buffers a layer."""

from collections.abc import Iterable

import torch

from serve_daemon.engine import untouched
from serve_daemon.engine.compiled.attention import KEYS, VALUES
from serve_daemon.engine.compiled.layers import Layer


def bytes_per_token(layers: Iterable[Layer], dtype: torch.dtype) -> int:
    values = sum(layer.heads * (layer.size + layer.value_size) for layer in layers)
    return values * dtype.itemsize


def attach(layers: Iterable[Layer], slots: int, length: int, like: torch.Tensor) -> None:
    """Give each layer's module room for `slots` sequences of `length` tokens, typed as `like`."""
    for layer in layers:
        for name in (KEYS, VALUES):
            shape = (slots, layer.heads, length, layer.size)
            layer.module.register_buffer(name, _zeros(shape, like), persistent=False)


def copy(layers: Iterable[Layer], source: int, target: int, length: int) -> None:
    """Copy the first `length` tokens of slot `source` to slot `target`."""
    for layer in layers:
        for name in (KEYS, VALUES):
            cache = getattr(layer.module, name)
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
