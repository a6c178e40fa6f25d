"""Tokens that must not come, beside Transformers' processor and by their definition."""

import pytest

pytest.importorskip("torch")

import torch
from transformers import NoBadWordsLogitsProcessor

from serve_daemon.engine.penalties import adjust
from serve_daemon.engine.records import Record, record_of
from serve_daemon.engine.sampling import Draw, choose, is_argmax
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 60
BANNED = [[5], [7, 8], [8, 9], [7, 8, 9], [1, 2, 3, 4], [9, 7, 8, 9], [8, 8], [5], [59]]
HISTORY = [1, 2, 3, 7, 8, 8, 9, 7, 8, 9, 1, 2, 3, 1, 2, 3, 4]


def logits_of(seed: int, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3


def record(sampling: Sampling, tokens: list[int], num_output: int = 0) -> Record:
    made = record_of(Submit(1, "r", tokens, 5, [2], sampling, num_output=num_output))
    assert made is not None
    return made


@pytest.mark.parametrize("length", range(1, len(HISTORY) + 1))
def test_banned_sequences_are_those_of_transformers(length: int) -> None:
    """Value by value, whatever came before, also where that is shorter than what is banned."""
    logits, tokens = logits_of(1), HISTORY[:length]
    wanted = NoBadWordsLogitsProcessor(BANNED)(torch.tensor([tokens]), logits.clone())
    assert torch.equal(adjust(logits, [record(Sampling(banned=BANNED), tokens)]), wanted)
    for cut in range(length):
        grown = record(Sampling(banned=BANNED), tokens[:cut] or [0])
        grown.add_output(tokens[cut:])
        assert cut == 0 or torch.equal(adjust(logits, [grown]), wanted)


def test_only_allowed_tokens_come() -> None:
    """Their logits are left as they are, but for what else is asked for."""
    logits = logits_of(2)
    sampling = Sampling(allowed=[9, 3, 9, VOCABULARY + 5], logit_bias={3: 1.5, 4: 100.0})
    got = adjust(logits, [record(sampling, [1])])
    wanted = torch.full_like(logits, -torch.inf)
    wanted[0, 9] = logits[0, 9]
    wanted[0, 3] = logits[0, 3] + 1.5
    assert torch.equal(got, wanted)


def test_a_ban_outweighs_whatever_speaks_for_a_token() -> None:
    """The largest bias, and a penalty that is a reward."""
    sampling = Sampling(
        banned=[[3]], allowed=[3, 4], logit_bias={3: 100.0}, frequency_penalty=-2.0, temperature=0.0
    )
    drawing = Draw(sampling, 3, record(sampling, [3, 3, 3], num_output=3))
    assert not is_argmax(drawing)
    assert choose(logits_of(3), [drawing]).tolist() == [4]


def test_each_row_has_its_own_bans() -> None:
    """A mixed batch gives each row what it gets alone, and leaves the logits as they are."""
    records = [
        None,
        record(Sampling(banned=[[7, 8]]), [7]),
        record(Sampling(banned=[[7, 8]]), [8]),
        record(Sampling(allowed=[1, 2]), [3]),
        record(Sampling(allowed=[5]), [3]),
    ]
    logits = logits_of(4, len(records))
    before = logits.clone()
    alone = [adjust(logits[row : row + 1], [each]) for row, each in enumerate(records)]
    assert torch.equal(adjust(logits, records), torch.cat(alone))
    assert torch.equal(logits, before)
    assert [int((row > -torch.inf).sum()) for row in alone] == [60, 59, 60, 2, 1]
