"""A loaded model made ready for slots: the same for the engine and for what compiles its step."""

from typing import Any

import torch
from msgspec import Struct

from serve_daemon.engine import quantization
from serve_daemon.engine.compiled import caches
from serve_daemon.engine.compiled.caches import Caches, Layer
from serve_daemon.engine.compiled.layers import layers_of
from serve_daemon.engine.compiled.quantized import replace_quantized
from serve_daemon.engine.compiled.step import Step
from serve_daemon.engine.kernels import build
from serve_daemon.engine.kernels.linear import pack_linears
from serve_daemon.engine.loader import Loaded


class Prepared(Struct, frozen=True):
    """A step without caches yet, and the layers that they belong to."""

    step: Any  # Step
    layers: list[Layer]
    dtype: torch.dtype
    cache_dtype: torch.dtype  # of keys and values

    @property
    def bytes_per_token(self) -> int:
        return caches.bytes_per_token(self.layers, self.cache_dtype)

    def attach(self, slots: int, length: int) -> Caches:
        """Give each layer room for `slots` sequences of `length` tokens."""
        like = torch.empty(0, dtype=self.cache_dtype, device=self.step.model.device)
        made = caches.make(self.layers, slots, length, like)
        caches.attach(made, self.step)
        return made


def prepare(loaded: Loaded, kv_cache_dtype: str = "auto") -> Prepared:
    """Take over the model of `loaded`, whose keys and values are kept as `kv_cache_dtype` says.

    Raises `EngineError` for a model that slots can't drive.
    """
    build.load(loaded.cache)
    model = loaded.model.requires_grad_(False)
    replace_quantized(model)
    layers = layers_of(model)
    if not quantization.is_quantized(model):  # else less memory is what was asked for
        pack_linears(model)
    cache_dtype = torch.int8 if kv_cache_dtype == "int8" else model.dtype
    return Prepared(Step(model), layers, model.dtype, cache_dtype)
