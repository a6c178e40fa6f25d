"""The one sampler: the next token of every sequence of a batch, each by its own parameters.

The order is that of Transformers' generate(): penalties, temperature, top-k, top-p, min-p,
typical, softmax, draw. A row's token depends on its logits, its parameters, its tokens so far, its
seed and its position alone, whatever shares the batch. A batch that is greedy throughout costs one
argmax, and nothing is sorted for those who did not ask for it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from msgspec import Struct

from serve_daemon.engine.penalties import Record, adjust
from serve_daemon.engine.randomness import uniform
from serve_daemon.wire.sampling import Sampling

NUCLEUS_CANDIDATES = 512  # a full sort is for the rows whose nucleus is wider than that
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
    """The token of each row of `logits` [B, V]: [B]."""
    logits = adjust(logits, [draw.record for draw in draws])
    rows = [row for row, draw in enumerate(draws) if not is_greedy(draw.sampling)]
    if not rows:
        return logits.argmax(dim=-1)
    if len(rows) == len(draws):
        return sample(logits, draws)
    tokens = logits.argmax(dim=-1)
    chosen = torch.tensor(rows, device=logits.device)
    tokens[chosen] = sample(logits[chosen], [draws[row] for row in rows])
    return tokens


def sample(logits: torch.Tensor, draws: Sequence[Draw]) -> torch.Tensor:
    """Draw one token from each row of `logits` [B, V]; none of the rows is greedy."""
    probabilities = distribution(logits, [draw.sampling for draw in draws])
    cumulated = probabilities.cumsum(dim=-1, dtype=torch.float64)
    total = cumulated[:, -1:]
    point = _uniform(draws, logits.device).unsqueeze(-1) * total
    # Rounding must not carry the point to the end, where no token is.
    point = torch.minimum(point, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulated, point, right=True).squeeze(-1)


def distribution(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """What the rows of `logits` [B, V] are drawn from; rows add up to 1, or less after a cut."""
    scores = logits / _column([sampling.temperature for sampling in samplings], logits)
    scores = keep_top_k(scores, [sampling.top_k for sampling in samplings])
    mass = keep_top_p(scores.softmax(dim=-1), [sampling.top_p for sampling in samplings])
    mass = keep_min_p(mass, [sampling.min_p for sampling in samplings])
    return keep_typical(mass, [sampling.typical_p for sampling in samplings])


def keep_top_k(scores: torch.Tensor, top_k: Sequence[int]) -> torch.Tensor:
    """Set what is below the k-th score of its row to -inf; 0 keeps all."""
    vocabulary = scores.shape[-1]
    limits = [min(k, vocabulary) if k > 0 else vocabulary for k in top_k]
    widest = max((k for k in limits if k < vocabulary), default=0)
    if not widest:
        return scores
    best = scores.topk(widest, dim=-1).values
    index = torch.tensor(limits, device=scores.device).clamp_(max=widest).sub_(1).unsqueeze(-1)
    threshold = best.gather(-1, index)
    keeps_all = torch.tensor([k == vocabulary for k in limits], device=scores.device)
    threshold[keeps_all] = -torch.inf
    return scores.masked_fill(scores < threshold, -torch.inf)


def keep_top_p(probabilities: torch.Tensor, top_p: Sequence[float]) -> torch.Tensor:
    """Set to 0 what lies outside the smallest set that holds `top_p` of its row's mass."""
    rows = [row for row, p in enumerate(top_p) if p < 1]
    if not rows:
        return probabilities
    chosen = torch.tensor(rows, device=probabilities.device)
    wanted = _column([top_p[row] for row in rows], probabilities)
    candidates = probabilities[chosen]
    width = min(NUCLEUS_CANDIDATES, candidates.shape[-1])
    nucleus, is_whole = _nucleus(candidates, wanted, width)
    if not bool(is_whole.all()):
        wide = ~is_whole
        nucleus[wide], _ = _nucleus(candidates[wide], wanted[wide], candidates.shape[-1])
    return probabilities.index_copy(0, chosen, nucleus)


def _nucleus(
    probabilities: torch.Tensor, wanted: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows cut to their nucleus, and which of them `width` candidates were enough for."""
    best = probabilities.topk(width, dim=-1)
    upto = best.values.cumsum(dim=-1)
    above = upto - best.values
    above[:, 0] = -1  # the likeliest token stays, whatever is wanted
    is_whole = (upto[:, -1] >= wanted[:, 0]) | (width == probabilities.shape[-1])
    kept = best.values.masked_fill(above >= wanted, 0)
    return torch.zeros_like(probabilities).scatter_(-1, best.indices, kept), is_whole


def keep_min_p(probabilities: torch.Tensor, min_p: Sequence[float]) -> torch.Tensor:
    """Set to 0 what is less than `min_p` times its row's likeliest."""
    if not any(min_p):
        return probabilities
    threshold = probabilities.amax(dim=-1, keepdim=True) * _column(min_p, probabilities)
    return probabilities.masked_fill(probabilities < threshold, 0)


def keep_typical(probabilities: torch.Tensor, typical_p: Sequence[float]) -> torch.Tensor:
    """Set to 0 what lies outside the `typical_p` of mass whose surprise is nearest to the mean."""
    rows = [row for row, p in enumerate(typical_p) if p < 1]
    if not rows:
        return probabilities
    chosen = torch.tensor(rows, device=probabilities.device)
    mass = probabilities[chosen]
    shares = mass / mass.sum(dim=-1, keepdim=True)
    surprise = -shares.log()
    mean = (shares * surprise).nansum(dim=-1, keepdim=True)
    distance = (surprise - mean).abs()
    nearest = distance.sort(dim=-1)
    upto = shares.gather(-1, nearest.indices).cumsum(dim=-1)
    wanted = _column([typical_p[row] for row in rows], probabilities)
    last = (upto < wanted).sum(dim=-1, keepdim=True).clamp_(max=upto.shape[-1] - 1)
    typical = mass.masked_fill(distance > nearest.values.gather(-1, last), 0)
    return probabilities.index_copy(0, chosen, typical)


def _uniform(draws: Sequence[Draw], device: torch.device) -> torch.Tensor:
    seeds = np.array([draw.sampling.seed & SEED_MASK for draw in draws], dtype=np.uint64)
    positions = np.array([draw.position for draw in draws], dtype=np.uint64)
    return torch.from_numpy(uniform(seeds, positions)).to(device)


def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(-1)
