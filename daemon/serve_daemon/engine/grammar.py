"""What a grammar is to the sampler: which tokens may come next, as one bit for each."""

from collections.abc import Sequence
from typing import Protocol

import torch

WORD_BITS = 32


class Grammar(Protocol):
    """Where one sequence is in its grammar; it knows of the output alone, not of the prompt."""

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
    packed = torch.stack(list(masks)).to(logits.device)  # [R, W]
    bits = torch.arange(WORD_BITS, dtype=torch.int32, device=logits.device)
    may_come = (packed.unsqueeze(-1) >> bits).bitwise_and_(1).bool().flatten(1)
    places = torch.tensor(rows, device=logits.device)
    known = min(may_come.shape[-1], logits.shape[-1])
    kept = logits[places]
    kept[:, :known].masked_fill_(~may_come[:, :known], -torch.inf)
    kept[:, known:] = -torch.inf
    logits[places] = kept
