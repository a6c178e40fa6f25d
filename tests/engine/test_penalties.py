"""Penalties, biases and withheld tokens, beside Transformers' processors and the definitions."""

from collections import Counter

import pytest

pytest.importorskip("torch")

import torch
from transformers import (
    MinNewTokensLengthLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
)

from serve_daemon.engine.penalties import adjust
from serve_daemon.engine.records import Record, record_of
from serve_daemon.engine.sampling import Draw, choose, is_argmax
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 500
PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
OUTPUT = [5, 8, 9, 7, 9, 3, 9, 499]


def logits_of(seed: int, rows: int = 1) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3


def record(sampling: Sampling, stop_tokens: tuple[int, ...] = ()) -> Record:
    submit = Submit(1, "r", PROMPT + OUTPUT, 5, list(stop_tokens), sampling, num_output=len(OUTPUT))
    made = record_of(submit)
    assert made is not None
    return made


@pytest.mark.parametrize("penalty", [0.01, 0.5, 1.0001, 1.3, 100.0])
def test_the_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    """Over prompt and output, value by value."""
    logits = logits_of(1)
    wanted = RepetitionPenaltyLogitsProcessor(penalty)(
        torch.tensor([PROMPT + OUTPUT]), logits.clone()
    )
    got = adjust(logits, [record(Sampling(repetition_penalty=penalty))])
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=0)


def test_biases_are_those_of_transformers() -> None:
    """Added to single tokens; one outside of the vocabulary has nothing to add to."""
    logits, biases = logits_of(2), {0: 1.5, 9: -100.0, 499: 0.25}
    processor = SequenceBiasLogitsProcessor([[[token], bias] for token, bias in biases.items()])
    wanted = processor(torch.tensor([PROMPT]), logits.clone())
    got = adjust(logits, [record(Sampling(logit_bias={**biases, VOCABULARY: 3.0}))])
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("least", [1, 7, 8, 9, 40])
def test_stop_tokens_are_withheld_as_transformers_does(least: int) -> None:
    """Until the output has so many tokens."""
    logits, stops = logits_of(3), (3, 499)
    processor = MinNewTokensLengthLogitsProcessor(len(PROMPT), least, list(stops), "cpu")
    wanted = processor(torch.tensor([PROMPT + OUTPUT]), logits.clone())
    assert torch.equal(adjust(logits, [record(Sampling(min_tokens=least), stops)]), wanted)


def test_presence_and_frequency_are_of_the_output_alone() -> None:
    """By their definition: mu[j] - c[j] * frequency - (c[j] > 0) * presence."""
    logits, counts = logits_of(4), Counter(OUTPUT)
    sampling = Sampling(presence_penalty=0.75, frequency_penalty=-0.5)
    wanted = logits.clone()
    for token, count in counts.items():
        wanted[0, token] -= 0.75 - 0.5 * count
    torch.testing.assert_close(adjust(logits, [record(sampling)]), wanted)


def test_a_record_that_grows_is_the_record_of_the_whole() -> None:
    """Token by token, or at once."""
    sampling = Sampling(repetition_penalty=1.2, presence_penalty=0.5, frequency_penalty=0.5)
    growing = Record(sampling, ())
    growing.add_prompt(PROMPT)
    for token in OUTPUT:
        growing.add_output([token])
    logits = logits_of(5)
    assert torch.equal(adjust(logits, [growing]), adjust(logits, [record(sampling)]))
    assert growing.length == len(PROMPT + OUTPUT)


def test_each_row_has_its_own_adjustments() -> None:
    """A mixed batch gives each row what it gets alone, and leaves the others as they are."""
    records = [
        None,
        record(Sampling(repetition_penalty=1.5)),
        record(Sampling(logit_bias={1: 2.0})),
        None,
        record(Sampling(frequency_penalty=1.0, min_tokens=20), (7, 8)),
    ]
    logits = logits_of(6, len(records))
    before = logits.clone()
    alone = [adjust(logits[row : row + 1], [each]) for row, each in enumerate(records)]
    assert torch.equal(adjust(logits, records), torch.cat(alone))
    assert torch.equal(logits, before)
    assert torch.equal(alone[0], before[:1])
    assert not torch.equal(alone[1], before[1:2])


def test_rows_that_ask_for_nothing_are_not_copied() -> None:
    """The very tensor comes back."""
    logits = logits_of(7, 2)
    assert adjust(logits, [None, None]) is logits
    assert record_of(Submit(1, "r", PROMPT, 5, [1], Sampling())) is None


def test_a_greedy_row_is_chosen_after_its_penalties() -> None:
    """So it is no plain argmax."""
    logits = logits_of(8)
    likeliest = int(logits.argmax())
    sampling = Sampling(temperature=0.0, logit_bias={likeliest: -100.0})
    draw = Draw(sampling, len(PROMPT + OUTPUT), record(sampling))
    assert not is_argmax(draw)
    assert is_argmax(Draw(Sampling(temperature=0.0), 3))
    logits_without = logits.clone()
    logits_without[0, likeliest] = -torch.inf
    assert choose(logits, [draw])[0] == logits_without.argmax()
