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


def forbid(logits: torch.Tensor, rows: Sequence[int], masks: Sequence[torch.Tensor]) -> None:
    """Set to -inf, in these rows of `logits` [B, V], the tokens that the row's mask lacks.

    What lies beyond a mask's end is padding of the model's vocabulary: no token.
    """
    packed = torch.stack(list(masks))  # [R, W]
    is_on_host = logits.device.type == "cpu"
    may_come = _unpacked(packed) if is_on_host else _unpacked_there(packed.to(logits.device))
    known = min(may_come.shape[-1], logits.shape[-1])
    must_not_come = may_come[:, :known].logical_not_()
    if len(rows) == len(logits) and list(rows) == sorted(rows):
        logits[:, :known].masked_fill_(must_not_come, -torch.inf)
        logits[:, known:] = -torch.inf
        return
    places = torch.tensor(rows, device=logits.device)
    kept = logits[places]
    kept[:, :known].masked_fill_(must_not_come, -torch.inf)
    kept[:, known:] = -torch.inf
    logits[places] = kept


def _unpacked(packed: torch.Tensor) -> torch.Tensor:
    """[R, W] as one boolean for each bit: [R, 32 W]; numpy has instructions of their own for it."""
    bits = np.unpackbits(packed.numpy().view(np.uint8), axis=-1, bitorder="little")
    return torch.from_numpy(bits).view(torch.bool)


def _unpacked_there(packed: torch.Tensor) -> torch.Tensor:
    """The same on a device, to which only the bits are copied."""
    bits = torch.arange(WORD_BITS, dtype=torch.int32, device=packed.device)
    return (packed.unsqueeze(-1) >> bits).bitwise_and_(1).bool().flatten(1)
