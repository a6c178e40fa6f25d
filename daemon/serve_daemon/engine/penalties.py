"""What changes logits before a token is drawn: biases, withheld stop tokens, penalties.

The order is vLLM's: biases and bans, then the repetition penalty, then those of frequency and
presence. Rows that ask for none of it cost nothing, and a batch of such rows is not even copied.
"""

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from msgspec import Struct
from numpy.typing import NDArray

from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling


class Record:
    """The tokens of one sequence, counted as it grows, and what its sampling makes of them."""

    def __init__(self, sampling: Sampling, stop_tokens: Sequence[int]) -> None:
        self.sampling = sampling
        self.length = 0  # tokens of prompt and output
        self._stop_tokens = stop_tokens
        self._num_output = 0
        self._places: dict[int, int] = {}
        self._tokens = array("q")  # each token once
        self._counts = array("q")  # how often it is in the output

    def add_prompt(self, tokens: Sequence[int]) -> None:
        self._count(tokens, 0)

    def add_output(self, tokens: Sequence[int]) -> None:
        self._num_output += len(tokens)
        self._count(tokens, 1)

    @property
    def withheld(self) -> Sequence[int]:
        """The tokens that must not come next."""
        return self._stop_tokens if self._num_output < self.sampling.min_tokens else ()

    @property
    def counted(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Every token of the sequence once, and how often each is in its output."""
        return np.array(self._tokens), np.array(self._counts)

    def _count(self, tokens: Sequence[int], weight: int) -> None:
        self.length += len(tokens)
        if not has_penalties(self.sampling):
            return
        for token in tokens:
            place = self._places.setdefault(token, len(self._tokens))
            if place == len(self._tokens):
                self._tokens.append(token)
                self._counts.append(0)
            self._counts[place] += weight


def has_penalties(sampling: Sampling) -> bool:
    return (
        sampling.repetition_penalty != 1
        or sampling.presence_penalty != 0
        or sampling.frequency_penalty != 0
    )


def record_of(submit: Submit) -> Record | None:
    """The record that the sampling of `submit` needs; None if it goes without."""
    sampling = submit.sampling
    if not (has_penalties(sampling) or sampling.logit_bias or sampling.min_tokens):
        return None
    record = Record(sampling, submit.stop_tokens)
    prompt_length = len(submit.tokens) - submit.num_output
    record.add_prompt(submit.tokens[:prompt_length])
    record.add_output(submit.tokens[prompt_length:])
    return record


def adjust(logits: torch.Tensor, records: Sequence[Record | None]) -> torch.Tensor:
    """What each row of `logits` [B, V] is drawn from; `logits` itself where no row asks."""
    if not any(records):
        return logits
    adjusted = logits.clone()
    rows = [(row, record) for row, record in enumerate(records) if record is not None]
    _add_biases(adjusted, rows)
    _subtract_penalties(adjusted, rows)
    return adjusted


def _add_biases(logits: torch.Tensor, rows: Iterable[tuple[int, Record]]) -> None:
    entries = [
        (row, token, bias)
        for row, record in rows
        for token, bias in [
            *record.sampling.logit_bias.items(),
            *((token, -torch.inf) for token in record.withheld),
        ]
        if token < logits.shape[-1]  # what is not in the vocabulary can't come anyway
    ]
    if entries:
        places = torch.tensor([entry[:2] for entry in entries], device=logits.device).unbind(-1)
        biases = torch.tensor([bias for _, _, bias in entries], dtype=logits.dtype)
        logits.index_put_(places, biases.to(logits.device), accumulate=True)


class _Counted(Struct, frozen=True):
    """One row's tokens with their counts, and the row's parameters at each of them."""

    rows: NDArray[np.int64]
    tokens: NDArray[np.int64]
    factors: NDArray[np.float64]
    amounts: NDArray[np.float64]


def _subtract_penalties(logits: torch.Tensor, rows: Iterable[tuple[int, Record]]) -> None:
    counted = [_counted(row, each) for row, each in rows if has_penalties(each.sampling)]
    if not counted:
        return
    device = logits.device
    row = torch.from_numpy(np.concatenate([each.rows for each in counted])).to(device)
    token = torch.from_numpy(np.concatenate([each.tokens for each in counted])).to(device)
    factor = torch.from_numpy(np.concatenate([each.factors for each in counted])).to(logits)
    amount = torch.from_numpy(np.concatenate([each.amounts for each in counted])).to(logits)
    scores = logits[row, token]
    scores = torch.where(scores < 0, scores * factor, scores / factor)
    logits[row, token] = scores - amount


def _counted(row: int, record: Record) -> _Counted:
    sampling = record.sampling
    tokens, counts = record.counted
    amounts = sampling.frequency_penalty * counts + sampling.presence_penalty * (counts > 0)
    return _Counted(
        rows=np.full_like(tokens, row),
        tokens=tokens,
        factors=np.full(len(tokens), sampling.repetition_penalty),
        amounts=amounts,
    )
