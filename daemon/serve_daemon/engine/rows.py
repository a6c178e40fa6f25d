"""Rows of a batch, worked on so that a row's result is its own, to the last bit.

PyTorch adds up one long row alone in another order than several, so long rows go by blocks.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import torch
from torch.nn import functional

BLOCK = 64  # elements; a batch of many blocks is what vector units like best

K = TypeVar("K", bound=Hashable)


def by_kind(kinds: Iterable[K]) -> dict[K, list[int]]:
    """The rows of each kind."""
    rows: dict[K, list[int]] = {}
    for row, kind in enumerate(kinds):
        rows.setdefault(kind, []).append(row)
    return rows


def take(batch: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """These rows of `batch`, which are in order; `batch` itself if it has no others."""
    if len(rows) == len(batch):
        return batch
    return batch[torch.tensor(rows, device=batch.device)]


def blocks(batch: torch.Tensor, filler: float) -> torch.Tensor:
    """[B, N] as [B, N / BLOCK, BLOCK], filled up at the end."""
    missing = -batch.shape[-1] % BLOCK
    whole = functional.pad(batch, (0, missing), value=filler) if missing else batch
    return whole.view(len(batch), -1, BLOCK)


def total(batch: torch.Tensor) -> torch.Tensor:
    """The sum of each row: [B, 1]."""
    return blocks(batch, 0).sum(dim=-1).sum(dim=-1, keepdim=True)


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """The place of the largest of each row of [B, V], the first of equals: [B].

    A maximum is found with vector instructions, its place is not: so the block comes first.
    """
    split = blocks(logits, -torch.inf)
    block = split.amax(dim=-1).argmax(dim=-1)
    inside = split[torch.arange(len(split), device=split.device), block].argmax(dim=-1)
    return block * BLOCK + inside


def largest(values: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `width` largest of each row of [B, N] from the largest on, and their places."""
    if width == values.shape[-1]:
        whole = values.sort(dim=-1, descending=True)
        return whole.values, whole.indices
    if values.shape[-1] // BLOCK < SPARSE * width:
        found = values.topk(width, dim=-1)
        return found.values, found.indices
    # They lie in those `width` blocks that have the largest maxima.
    split = blocks(values, -torch.inf)
    chosen = split.amax(dim=-1).topk(width, dim=-1).indices
    inside = split.gather(1, chosen.unsqueeze(-1).expand(-1, -1, BLOCK)).flatten(1)
    best = inside.topk(width, dim=-1)
    return best.values, chosen.gather(-1, best.indices // BLOCK) * BLOCK + best.indices % BLOCK


SPARSE = 4  # blocks there are for one that is looked into, or that is not worth it


def pick(mass: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """The place in each row of `mass` [B, N] up to which `points` [B], in [0, 1), of it lie: [B].

    Places without mass are never picked, unless the whole row has none.
    """
    cumulated = mass.cumsum(dim=-1, dtype=torch.float64)
    whole = cumulated[:, -1:]
    # Rounding must not carry the point to the end, where no token is.
    most = torch.nextafter(whole, torch.zeros_like(whole))
    place = torch.searchsorted(
        cumulated, torch.minimum(points.unsqueeze(-1) * whole, most), right=True
    )
    return place.squeeze(-1).clamp_(max=mass.shape[-1] - 1)


def pick_of_many(mass: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """What `pick` does, for long rows: the block first, then the place in it."""
    split = blocks(mass, 0)
    sums = split.sum(dim=-1).double()
    block = pick(sums, points)
    rows = torch.arange(len(split), device=split.device)
    upto = sums.cumsum(dim=-1)
    own = sums[rows, block]
    left = ((points * upto[:, -1] - upto[rows, block] + own) / own).clamp_(0, 1)
    return (block * BLOCK + pick(split[rows, block], left)).clamp_(max=mass.shape[-1] - 1)
