"""The one sampler: the next token of every sequence of a batch, each by its own parameters.

A row's token depends on its logits, its parameters, its tokens so far, its seed and its position
alone, whatever shares the batch. A batch that is greedy throughout costs one argmax, and nothing is
sorted for those who did not ask for it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from msgspec import Struct

from serve_daemon.engine.cuts import Part, parts
from serve_daemon.engine.penalties import adjust
from serve_daemon.engine.randomness import uniform
from serve_daemon.engine.records import Record
from serve_daemon.engine.rows import by_kind, likeliest, pick, pick_of_many, take
from serve_daemon.wire.sampling import Sampling

SEED_MASK = (1 << 64) - 1
COLDEST = 1e-5  # below that a division overflows, and only the likeliest token is left anyway


class Draw(Struct, frozen=True):
    """How one row gets its token."""

    sampling: Sampling
    position: int  # tokens of the sequence before this one
    record: Record | None = None  # of those tokens, where the sampling needs it


def is_greedy(sampling: Sampling) -> bool:
    return sampling.temperature < COLDEST or sampling.top_k == 1


def is_argmax(draw: Draw) -> bool:
    """Whether the token is the likeliest of the logits as they are."""
    return draw.record is None and is_greedy(draw.sampling)


def choose(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """The token of each row of `logits` [B, V], which are left as they are: [B]."""
    tokens = torch.empty(len(draws), dtype=torch.int64, device=logits.device)
    kinds = by_kind((draw.record is not None, is_greedy(draw.sampling)) for draw in draws)
    for (has_record, greedy), rows in kinds.items():
        chosen = [draws[row] for row in rows]
        scores = take(logits, rows)
        if has_record:
            scores = adjust(scores, [draw.record for draw in chosen])
        places = torch.tensor(rows, device=logits.device)
        tokens[places] = likeliest(scores) if greedy else sample(scores, chosen)
    return tokens


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Draw one token from each row of `logits` [B, V]; none of the rows is greedy."""
    points = _uniform(draws, logits.device)
    tokens = torch.empty(len(draws), dtype=torch.int64, device=logits.device)
    for part in parts(logits, [draw.sampling for draw in draws]):
        tokens[part.rows] = _drawn(part, points[part.rows])
    return tokens


def _drawn(part: Part, points: torch.Tensor) -> torch.Tensor:
    if part.tokens is None:
        return pick_of_many(part.mass, points)
    # In the order of the tokens: a point means the same whatever was cut, and by which way.
    ordered = part.tokens.sort(dim=-1)
    place = pick(part.mass.gather(-1, ordered.indices), points)
    return ordered.values.gather(-1, place.unsqueeze(-1)).squeeze(-1)


def _uniform(draws: Sequence[Draw], device: torch.device) -> torch.Tensor:
    seeds = np.array([draw.sampling.seed & SEED_MASK for draw in draws], dtype=np.uint64)
    positions = np.array([draw.position for draw in draws], dtype=np.uint64)
    return torch.from_numpy(uniform(seeds, positions)).to(device)
