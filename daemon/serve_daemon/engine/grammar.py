"""What a grammar is to the sampler: which tokens may come next, as one bit for each."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

WORD_BITS = 32


class Grammar(Protocol):
    """Where one sequence is in its grammar; it knows of the output alone, not of the prompt."""

    is_complete: bool  # nothing but a stop token may come
    error: str  # why it can't go on; "" while it can

    def mask(self) -> torch.Tensor:
        """The tokens that may come next: int32 [V / 32, rounded up], the lowest bit the first.

        That is the format of llguidance and of xgrammar. It is read before the next call.
        """

    def accept(self, token: int) -> None:
        """Go on by `token`, which is one of those."""


def masks_of(grammars: Sequence[Grammar]) -> torch.Tensor:
    """The masks of grammars of one vocabulary: int32 [R, W], on the host."""
    return torch.stack([each.mask() for each in grammars])


def allowed_only(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """A copy of `logits` [R, V] with -inf for the tokens that the row's mask of `masks` lacks.

    What lies beyond a mask's end is padding of the model's vocabulary: no token.
    """
    is_on_host = logits.device.type == "cpu"
    may_come = _unpacked(masks) if is_on_host else _unpacked_there(masks.to(logits.device))
    known = min(may_come.shape[-1], logits.shape[-1])
    kept = torch.full_like(logits, -torch.inf)
    torch.where(may_come[:, :known], logits[:, :known], kept[:, :known], out=kept[:, :known])
    return kept


def _unpacked(packed: torch.Tensor) -> torch.Tensor:
    """[R, W] as one boolean for each bit: [R, 32 W]; numpy has instructions of their own for it."""
    bits = np.unpackbits(packed.numpy().view(np.uint8), axis=-1, bitorder="little")
    return torch.from_numpy(bits).view(torch.bool)


def _unpacked_there(packed: torch.Tensor) -> torch.Tensor:
    """The same on a device, to which only the bits are copied."""
    bits = torch.arange(WORD_BITS, dtype=torch.int32, device=packed.device)
    return (packed.unsqueeze(-1) >> bits).bitwise_and_(1).bool().flatten(1)
