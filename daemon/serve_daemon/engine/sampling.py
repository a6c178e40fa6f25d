"""The one sampler: the next token of every sequence of a batch, each by its own parameters.

A row's token depends on its logits, its parameters, its tokens so far, its seed and its position
alone, whatever shares the batch. A batch that is greedy throughout costs one argmax, and nothing is
sorted for those who did not ask for it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from serve_daemon.engine.cuts import Part, parts
from serve_daemon.engine.grammar import allowed_only, masks_of
from serve_daemon.engine.kernels import build, drawing
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
    kinds = by_kind(_kind(draw) for draw in draws)
    if len(kinds) == 1:
        return _chosen(logits, draws, next(iter(kinds)))
    tokens = torch.empty(len(draws), dtype=torch.int64, device=logits.device)
    for kind, rows in kinds.items():
        places = torch.tensor(rows, device=logits.device)
        tokens[places] = _chosen(take(logits, rows), [draws[row] for row in rows], kind)
    return tokens


class Kind(NamedTuple):
    """What is done with a row of logits, whatever shares the batch."""

    is_adjusted: bool
    has_grammar: bool
    is_greedy: bool
    is_typical: bool


def _kind(draw: Draw) -> Kind:
    record, greedy = draw.record, is_greedy(draw.sampling)
    return Kind(
        is_adjusted=record is not None and record.adjusts,
        has_grammar=record is not None and record.grammar is not None,
        is_greedy=greedy,
        is_typical=not greedy and draw.sampling.typical_p < 1,
    )


def _chosen(scores: torch.Tensor, draws: Sequence[Draw], kind: Kind) -> torch.Tensor:
    if kind.is_adjusted:
        scores = adjust(scores, [draw.record for draw in draws])
    masks = _masks(draws) if kind.has_grammar else None
    if not kind.is_typical and _has_operators(scores):
        return _chosen_by_operators(scores, masks, draws, kind)
    if masks is not None:
        scores = allowed_only(scores, masks)
    return likeliest(scores) if kind.is_greedy else sample(scores, draws)


def _masks(draws: Sequence[Draw]) -> torch.Tensor:
    """Of rows that all have a grammar: int32 [R, W]."""
    return masks_of([draw.record.grammar for draw in draws if draw.record and draw.record.grammar])


def _has_operators(scores: torch.Tensor) -> bool:
    return scores.device.type == "cpu" and scores.dtype == torch.float32 and build.is_loaded()


def _chosen_by_operators(
    scores: torch.Tensor, masks: torch.Tensor | None, draws: Sequence[Draw], kind: Kind
) -> torch.Tensor:
    if kind.is_greedy:
        return drawing.likeliest(scores, masks)
    points = _uniform(draws).tolist()
    parameters = drawing.parameters_of([draw.sampling for draw in draws], points)
    return drawing.draw(scores, parameters, masks)


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Draw one token from each row of `logits` [B, V] by torch; none of the rows is greedy."""
    points = torch.from_numpy(_uniform(draws)).to(logits.device)
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


def _uniform(draws: Sequence[Draw]) -> NDArray[np.float64]:
    seeds = np.array([draw.sampling.seed & SEED_MASK for draw in draws], dtype=np.uint64)
    positions = np.array([draw.position for draw in draws], dtype=np.uint64)
    return uniform(seeds, positions)
