"""What engine and computing thread ask of whoever computes their steps."""

from collections.abc import Callable
from typing import Protocol

import torch
from msgspec import Struct

from serve_daemon.engine.compiled import caches
from serve_daemon.engine.compiled.caches import Caches, Layer
from serve_daemon.engine.compiled.step import Compute


class Decoder(Struct, frozen=True):
    """What the engine has to know of a model."""

    layers: list[Layer]
    dtype: str  # that it computes in, as torch names it
    cache_dtype: str  # of keys and values
    vocabulary: int
    max_positions: int
    eos_tokens: list[int]
    weights_bytes: int

    @property
    def bytes_per_token(self) -> int:
        return caches.bytes_per_token(self.layers, getattr(torch, self.cache_dtype))

    def caches(self, slots: int, length: int, device: str) -> Caches:
        """Room for `slots` sequences of `length` tokens."""
        like = torch.empty(0, dtype=getattr(torch, self.cache_dtype), device=device)
        return caches.make(self.layers, slots, length, like)


class Compiler(Protocol):
    """How the step of a device is made fast."""

    is_compiling: bool  # something better is being made

    def compute(self) -> Compute:
        """The best that there is at once."""

    def improve(self, use: Callable[[Compute], None]) -> None:
        """Return at once; call `use`, from another thread, when there is something better."""


class StepSource(Protocol):
    """A step that lacks nothing but its keys and values."""

    @property
    def decoder(self) -> Decoder: ...

    def compiler(self, made: Caches) -> Compiler:
        """What computes the step, with these keys and values; they are the engine's, too."""
