"""The operators that draw tokens from logits, by definition; `source/draws.cpp` is for a CPU.

The reference looks at whole rows, in float64. `engine.cuts` does the same for a GPU, and where no
library is loaded, in ways that are fast there.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from serve_daemon.engine.grammar import allowed_only
from serve_daemon.engine.rows import likeliest as likeliest_of_rows
from serve_daemon.wire.sampling import Sampling

NAMESPACE = "serve_daemon"
NO_CUT = 2.0  # more mass than there is

LIKELIEST = "(Tensor logits, Tensor? masks=None) -> Tensor"
DRAW = "(Tensor logits, Tensor parameters, Tensor? masks=None) -> Tensor"

torch.library.define(f"{NAMESPACE}::likeliest", LIKELIEST)
torch.library.define(f"{NAMESPACE}::draw", DRAW)

# logits float32 [R, V]: the place of the largest of each row, the first of equals, int64 [R].
# masks int32 [R, W], as `engine.grammar` has them: the only tokens that may come.
likeliest: Callable[..., Tensor] = torch.ops.serve_daemon.likeliest

# logits float32 [R, V], parameters float64 [R, 5] on the host, from `parameters_of`: a token of
# each row, int64 [R]. What has -inf is never drawn, unless nothing else is there; masks as above.
draw: Callable[..., Tensor] = torch.ops.serve_daemon.draw


def parameters_of(samplings: Sequence[Sampling], points: Sequence[float]) -> Tensor:
    """Temperature, top-k, top-p, min-p, and the point in [0, 1) that decides, of each row."""
    return torch.tensor(
        [
            (
                each.temperature,
                each.top_k,
                each.top_p if each.top_p < 1 else NO_CUT,
                each.min_p,
                point,
            )
            for each, point in zip(samplings, points, strict=True)
        ],
        dtype=torch.float64,
    )


def likeliest_by_definition(logits: Tensor, masks: Tensor | None = None) -> Tensor:
    return likeliest_of_rows(logits if masks is None else allowed_only(logits, masks))


def draw_by_definition(logits: Tensor, parameters: Tensor, masks: Tensor | None = None) -> Tensor:
    """One row after the other. A temperature of 0 takes the likeliest."""
    logits = logits if masks is None else allowed_only(logits, masks)
    tokens = [_drawn(*each) for each in zip(logits, parameters.tolist(), strict=True)]
    return torch.tensor(tokens, dtype=torch.int64, device=logits.device)


def _drawn(logits: Tensor, parameters: Sequence[float]) -> int:
    temperature, top_k, top_p, min_p, point = parameters
    if temperature <= 0 or not logits.amax().isfinite():
        return int(logits.argmax())
    scores = logits.double() / temperature
    if 0 < top_k < len(scores):
        scores = scores.masked_fill(scores < scores.topk(int(top_k)).values[-1], -torch.inf)
    shares, order = scores.softmax(dim=-1).sort(descending=True, stable=True)
    above = shares.cumsum(dim=-1) - shares
    above[0] = -1  # the likeliest token stays, whatever is wanted
    kept = shares.masked_fill((above >= top_p) | (shares < shares[0] * min_p), 0)
    # In the order of the tokens: a point means the same whatever was cut.
    upto = torch.zeros_like(kept).scatter(0, order, kept).cumsum(dim=-1)
    most = torch.nextafter(upto[-1], upto.new_zeros(()))
    return int(torch.searchsorted(upto, torch.minimum(point * upto[-1], most), right=True))


torch.library.impl(f"{NAMESPACE}::likeliest", "CompositeExplicitAutograd", likeliest_by_definition)
torch.library.impl(f"{NAMESPACE}::draw", "CompositeExplicitAutograd", draw_by_definition)
