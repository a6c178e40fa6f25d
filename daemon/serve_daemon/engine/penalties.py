"""What changes logits before a token is drawn: biases, bans, withheld tokens, penalties.

The order is vLLM's: what must not come, then biases, then the repetition penalty, then those of
frequency and presence. A grammar's mask comes last, which is the same: none of these lets a token
come that it forbids. Rows that ask for none of it cost nothing, and a batch of such rows is not
even copied.
"""

from collections.abc import Sequence

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from serve_daemon.engine.records import Record, Tokens, has_penalties

Row = tuple[int, Record]


def adjust(logits: torch.Tensor, records: Sequence[Record | None]) -> torch.Tensor:
    """What each row of `logits` [B, V] is drawn from; `logits` itself where no row asks."""
    rows = [(row, record) for row, record in enumerate(records) if record is not None]
    if not rows:
        return logits
    adjusted = logits.clone()
    _forbid_all_others(adjusted, rows)
    _add_biases(adjusted, rows)
    _subtract_penalties(adjusted, rows)
    return adjusted


def _forbid_all_others(logits: torch.Tensor, rows: Sequence[Row]) -> None:
    allowed = [(row, record.allowed) for row, record in rows if len(record.allowed)]
    if not allowed:
        return
    places = _places([(row, tokens[tokens < logits.shape[-1]]) for row, tokens in allowed], logits)
    kept = logits[places]
    logits[torch.tensor([row for row, _ in allowed], device=logits.device)] = -torch.inf
    logits[places] = kept


def _add_biases(logits: torch.Tensor, rows: Sequence[Row]) -> None:
    entries = [(row, *_known(record, logits.shape[-1])) for row, record in rows]
    biases = np.concatenate([biases for _, _, biases in entries])
    if len(biases):
        places = _places([(row, tokens) for row, tokens, _ in entries], logits)
        logits.index_put_(places, torch.from_numpy(biases).to(logits), accumulate=True)


def _known(record: Record, vocabulary: int) -> tuple[Tokens, NDArray[np.float64]]:
    """The record's biases without those of tokens that can't come anyway."""
    tokens, biases = record.biases
    is_known = tokens < vocabulary
    return tokens[is_known], biases[is_known]


class _Counted(Struct, frozen=True):
    """One row's tokens, and the row's parameters at each of them."""

    row: int
    tokens: Tokens
    factors: NDArray[np.float64]
    amounts: NDArray[np.float64]


def _subtract_penalties(logits: torch.Tensor, rows: Sequence[Row]) -> None:
    counted = [_counted(row, each) for row, each in rows if has_penalties(each.sampling)]
    if not counted:
        return
    places = _places([(each.row, each.tokens) for each in counted], logits)
    factor = torch.from_numpy(np.concatenate([each.factors for each in counted])).to(logits)
    amount = torch.from_numpy(np.concatenate([each.amounts for each in counted])).to(logits)
    scores = logits[places]
    scores = torch.where(scores < 0, scores * factor, scores / factor)
    logits[places] = scores - amount


def _counted(row: int, record: Record) -> _Counted:
    sampling = record.sampling
    tokens, counts = record.counted
    amounts = sampling.frequency_penalty * counts + sampling.presence_penalty * (counts > 0)
    return _Counted(row, tokens, np.full(len(tokens), sampling.repetition_penalty), amounts)


def _places(
    tokens: Sequence[tuple[int, Tokens]], logits: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """An index of all these tokens, each list in its row of `logits`."""
    rows = np.concatenate([np.full_like(each, row) for row, each in tokens])
    columns = np.concatenate([each for _, each in tokens])
    index = torch.from_numpy(np.stack([rows, columns])).to(logits.device)
    return index[0], index[1]
