"""One step of a decoder over packed tokens: the forward pass that is compiled."""

from collections.abc import Callable
from typing import Any

import torch

from serve_daemon.engine.compiled.sequences import Batch

# (tokens [T], slots [T], positions [T], wanted [R]) to logits [R, V]
Forward = Callable[..., torch.Tensor]
Compute = Callable[[Batch], torch.Tensor]  # the same, of a step's batch on the host


class Step(torch.nn.Module):
    """A Transformers decoder whose attention is `attention.attend`, as a function of tensors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        tokens: torch.Tensor,
        slots: torch.Tensor,
        positions: torch.Tensor,
        wanted: torch.Tensor,
    ) -> torch.Tensor:
        """The float32 logits [R, V] of the rows in `wanted` [R] of the packed tokens [T]."""
        output = self.model(
            input_ids=tokens[None],
            position_ids=positions[None],
            use_cache=False,
            logits_to_keep=wanted,
            slots=slots,
            positions=positions,
        )
        logits: torch.Tensor = output.logits
        return logits[0].float()


def compute(forward: Forward, batch: Batch, device: str) -> torch.Tensor:
    """The logits [R, V] that `forward` makes of `batch`."""
    return forward(*places(batch, device))


def places(batch: Batch, device: str) -> list[torch.Tensor]:
    """What a forward takes, on `device`."""
    arrays = (batch.tokens, batch.slots, batch.positions, batch.wanted)
    return [torch.from_numpy(array).to(device, non_blocking=True) for array in arrays]
