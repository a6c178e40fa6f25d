"""What each row of a batch is drawn from, by its own parameters.

The order is that of Transformers' generate(): temperature, top-k, top-p, min-p, typical. A cut
looks at few candidates first; only rows that these are not enough for are looked at as a whole.
Which rows these are depends on each row alone, as all else.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

import torch

from serve_daemon.engine.rows import by_kind, largest, take, total
from serve_daemon.wire.sampling import Sampling

WIDTHS = (64, 256, 1024)  # candidates to look at; then the whole vocabulary
NO_CUT = 2.0  # more mass than there is


class Part(NamedTuple):
    """Some rows of a batch: the tokens that they may be drawn from, and the mass of each."""

    rows: torch.Tensor  # [R], places in the batch
    tokens: torch.Tensor | None  # [R, W]; None: every token, in order
    mass: torch.Tensor  # [R, W], a token's share, or 0 where it is cut


class Shape(NamedTuple):
    """The parameters of rows, each [R, 1]."""

    temperature: torch.Tensor
    top_k: torch.Tensor
    top_p: torch.Tensor
    min_p: torch.Tensor
    typical_p: torch.Tensor
    has_typical: bool  # whether any of them asks for it, known without asking the device

    def of(self, rows: torch.Tensor) -> "Shape":
        return Shape(
            self.temperature[rows],
            self.top_k[rows],
            self.top_p[rows],
            self.min_p[rows],
            self.typical_p[rows],
            self.has_typical,
        )


class Kind(Enum):
    """What decides about a row first."""

    FREE = auto()
    TOP_K = auto()
    TOP_P = auto()
    TYPICAL = auto()


Chosen = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # tokens, mass, whether these are enough
Choose = Callable[[torch.Tensor, Shape, int], Chosen]


def parts(logits: torch.Tensor, samplings: Sequence[Sampling]) -> Iterator[Part]:
    """Every row of `logits` [B, V] in one of the parts; none of the rows is greedy."""
    vocabulary = logits.shape[-1]
    for kind, rows in by_kind(_kind(sampling, vocabulary) for sampling in samplings).items():
        shape = _shape([samplings[row] for row in rows], logits)
        scores = take(logits, rows).float() / shape.temperature
        places = torch.tensor(rows, device=logits.device)
        match kind:
            case Kind.FREE:
                yield Part(places, None, scores.softmax(dim=-1))
            case Kind.TOP_K:
                yield from _narrowed(places, scores, shape, _best_scores)
            case Kind.TOP_P:
                yield from _narrowed(places, scores.softmax(dim=-1), shape, _likeliest)
            case Kind.TYPICAL:
                yield from _narrowed(places, scores.softmax(dim=-1), shape, _most_typical)


def _kind(sampling: Sampling, vocabulary: int) -> Kind:
    if 0 < sampling.top_k < vocabulary:
        return Kind.TOP_K
    if sampling.top_p < 1 or sampling.min_p > 0:
        return Kind.TOP_P
    return Kind.TYPICAL if sampling.typical_p < 1 else Kind.FREE


def _shape(samplings: Sequence[Sampling], logits: torch.Tensor) -> Shape:
    rows = [
        (
            each.temperature,
            min(each.top_k, logits.shape[-1]),
            each.top_p if each.top_p < 1 else NO_CUT,
            each.min_p,
            each.typical_p if each.typical_p < 1 else NO_CUT,
        )
        for each in samplings
    ]
    table = torch.tensor(rows, dtype=torch.float32, device=logits.device)
    temperature, top_k, top_p, min_p, typical_p = table.unsqueeze(-1).unbind(1)
    has_typical = any(each.typical_p < 1 for each in samplings)
    return Shape(temperature, top_k.long(), top_p, min_p, typical_p, has_typical)


def _narrowed(
    places: torch.Tensor, values: torch.Tensor, shape: Shape, choose: Choose
) -> Iterator[Part]:
    vocabulary = values.shape[-1]
    for width in [*(width for width in WIDTHS if width < vocabulary), vocabulary]:
        tokens, mass, is_whole = choose(values, shape, width)
        if width == vocabulary or bool(is_whole.all()):
            yield Part(places, tokens, mass)
            return
        yield Part(places[is_whole], tokens[is_whole], mass[is_whole])
        rest = ~is_whole
        places, values, shape = places[rest], values[rest], shape.of(rest)


def _best_scores(scores: torch.Tensor, shape: Shape, width: int) -> Chosen:
    """Those that are not below the k-th score, ties included."""
    best, tokens = largest(scores, width)
    threshold = best.gather(-1, shape.top_k.clamp(max=width) - 1)
    shares = best.masked_fill(best < threshold, -torch.inf).softmax(dim=-1)
    tokens, mass, is_whole = _trimmed(tokens, shares, shape)
    return tokens, mass, is_whole & (shape.top_k.squeeze(-1) < width)


def _likeliest(probabilities: torch.Tensor, shape: Shape, width: int) -> Chosen:
    shares, tokens = largest(probabilities, width)
    return _trimmed(tokens, shares, shape)


def _trimmed(tokens: torch.Tensor, shares: torch.Tensor, shape: Shape) -> Chosen:
    """`shares` [R, W], the largest first, cut by top-p, min-p and typical in turn.

    They are enough if the last of them is cut: then what is smaller would be, too.
    """
    above = shares.cumsum(dim=-1) - shares
    above[:, 0] = -1  # the likeliest token stays, whatever is wanted
    kept = shares.masked_fill(above >= shape.top_p, 0)
    kept = kept.masked_fill(kept < kept[:, :1] * shape.min_p, 0)
    is_whole = kept[:, -1] == 0
    if shape.has_typical:
        kept = _keep_typical(kept, shape.typical_p)
    return tokens, kept, is_whole


def _keep_typical(mass: torch.Tensor, typical_p: torch.Tensor) -> torch.Tensor:
    """Set to 0 what lies outside the `typical_p` of mass whose surprise is nearest to the mean."""
    places, typical, _ = _most_typical_of(mass / total(mass), typical_p, mass.shape[-1])
    kept = torch.zeros_like(mass).scatter_(-1, places, typical)
    return mass.masked_fill(kept == 0, 0)


def _most_typical(probabilities: torch.Tensor, shape: Shape, width: int) -> Chosen:
    return _most_typical_of(probabilities, shape.typical_p, width)


def _most_typical_of(shares: torch.Tensor, typical_p: torch.Tensor, width: int) -> Chosen:
    """Those whose surprise is nearest to the mean, until they hold `typical_p`; ties included."""
    surprise = -shares.log()
    mean = total((shares * surprise).nan_to_num_(nan=0.0))
    nearness, places = largest(-(surprise - mean).abs(), width)
    mass = shares.gather(-1, places)
    upto = mass.cumsum(dim=-1)
    last = (upto < typical_p).sum(dim=-1, keepdim=True).clamp_(max=width - 1)
    limit = nearness.gather(-1, last)
    is_whole = nearness[:, -1:] < limit
    return places, mass.masked_fill(nearness < limit, 0), is_whole.squeeze(-1)
