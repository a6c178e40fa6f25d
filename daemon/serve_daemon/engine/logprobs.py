"""What a model makes of the tokens that were chosen, for those who ask.

The log-probabilities are the model's own, before any penalty, bias, temperature or cut.
"""

from collections.abc import Sequence

import torch

from serve_daemon.engine.sampling import Draw
from serve_daemon.wire.sampling import NO_LOGPROBS, Logprobs


def logprobs_of(
    logits: torch.Tensor, tokens: torch.Tensor, draws: Sequence[Draw]
) -> dict[int, Logprobs]:
    """By row of `logits` [B, V], of which `tokens` [B] were chosen; only of rows that ask."""
    rows = [row for row, draw in enumerate(draws) if wants_logprobs(draw)]
    if not rows:
        return {}
    chosen = torch.tensor(rows, device=logits.device)
    scores = logits[chosen].float().log_softmax(dim=-1)
    own = scores.gather(-1, tokens[chosen].unsqueeze(-1)).squeeze(-1).tolist()
    widths = [min(draws[row].sampling.logprobs, scores.shape[-1]) for row in rows]
    best = scores.topk(max(widths), dim=-1)
    best_scores, best_tokens = best.values.tolist(), best.indices.tolist()
    return {
        row: Logprobs(own[place], best_tokens[place][:width], best_scores[place][:width])
        for place, (row, width) in enumerate(zip(rows, widths, strict=True))
    }


def wants_logprobs(draw: Draw) -> bool:
    return draw.sampling.logprobs != NO_LOGPROBS
