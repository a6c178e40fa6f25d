"""A grammar's mask in the sampler, by an automaton written by hand."""

from collections.abc import Sequence

import pytest

pytest.importorskip("torch")

import torch

from serve_daemon.engine.grammar import allowed_only
from serve_daemon.engine.records import Record, record_of
from serve_daemon.engine.sampling import Draw, choose, is_argmax
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 100
END = 99


def packed(tokens: Sequence[int], vocabulary: int = VOCABULARY) -> torch.Tensor:
    words = [0] * -(-vocabulary // 32)
    for token in tokens:
        words[token // 32] |= 1 << token % 32
    return torch.tensor([word - 2**32 if word >= 2**31 else word for word in words]).int()


class Pairs:
    """Accepts (even odd)* END, and insists on being told of no other token."""

    is_complete = False
    error = ""

    def __init__(self) -> None:
        self.accepted: list[int] = []

    def mask(self) -> torch.Tensor:
        return packed(self._possible)

    def accept(self, token: int) -> None:
        assert token in self._possible
        self.accepted.append(token)

    @property
    def _possible(self) -> list[int]:
        if len(self.accepted) % 2:
            return list(range(1, END, 2))
        return [*range(0, END, 2), END]


def record(sampling: Sampling, grammar: Pairs | None, output: Sequence[int] = ()) -> Record | None:
    tokens = [END, 1, 1, *output]
    return record_of(Submit(1, "r", tokens, 5, [END], sampling, num_output=len(output)), grammar)


def generate(
    records: list[Record | None], samplings: list[Sampling], steps: int
) -> list[list[int]]:
    """As an engine does: a batch, a step, a token for each, which goes into its record."""
    outputs: list[list[int]] = [[] for _ in records]
    for step in range(steps):
        noise = torch.Generator().manual_seed(step)
        logits = torch.randn(1, VOCABULARY, generator=noise).expand(len(records), -1)
        draws = [Draw(each, step, kept) for each, kept in zip(samplings, records, strict=True)]
        for output, kept, token in zip(
            outputs, records, choose(logits, draws).tolist(), strict=True
        ):
            output.append(token)
            if kept is not None:
                kept.add_output([token])
    return outputs


SAMPLINGS = [
    Sampling(temperature=0.0),
    Sampling(seed=1),
    Sampling(seed=2, top_k=5),
    Sampling(seed=3, temperature=2.0, top_p=0.9, frequency_penalty=1.0),
    Sampling(seed=4, typical_p=0.9, logit_bias={3: 100.0}, min_tokens=50),
    Sampling(seed=5, min_p=0.2, banned=[[4], [6, 7]]),
]


def test_every_output_obeys_its_grammar() -> None:
    """Whatever else shapes the draw; neighbours without a grammar are what they are alone."""
    grammars = [Pairs() for _ in SAMPLINGS]
    records = [record(each, grammar) for each, grammar in zip(SAMPLINGS, grammars, strict=True)]
    free = [record(each, None) for each in SAMPLINGS]
    outputs = generate([*records, *free], SAMPLINGS * 2, 40)
    assert [grammar.accepted for grammar in grammars] == outputs[: len(SAMPLINGS)]
    again = generate([record(each, None) for each in SAMPLINGS], SAMPLINGS, 40)
    assert outputs[len(SAMPLINGS) :] == again
    assert outputs[: len(SAMPLINGS)] != again


def test_a_sequence_that_is_submitted_again_goes_on_in_its_grammar() -> None:
    """Its output so far is accepted, its prompt is not."""
    sampling = Sampling(seed=9)
    grammar = Pairs()
    made = record(sampling, grammar, [2, 3, 4])
    assert made is not None
    assert grammar.accepted == [2, 3, 4]
    [[token]] = generate([made], [sampling], 1)
    assert token % 2 == 1
    assert token != END


def test_a_grammar_makes_a_greedy_row_no_plain_argmax() -> None:
    """Its likeliest token may be forbidden."""
    kept = record(SAMPLINGS[0], Pairs())
    assert kept is not None
    assert not is_argmax(Draw(SAMPLINGS[0], 3, kept))


@pytest.mark.parametrize("vocabulary", [90, 96, 100, 130])
def test_a_mask_may_be_of_another_length(vocabulary: int) -> None:
    """What a model's padded vocabulary has more is no token; bits beyond it are ignored."""
    tokens = [0, 31, 32, 63, 64, 89, 95]
    logits = torch.zeros(2, vocabulary)
    kept = allowed_only(logits, torch.stack([packed(tokens, 96), packed([1, 95], 96)]))
    there = [token for token in tokens if token < vocabulary]
    assert (kept[0] == 0).nonzero().flatten().tolist() == there
    assert (kept[1] == 0).nonzero().flatten().tolist() == [1, *[95] * (vocabulary > 95)]
    assert torch.equal(logits, torch.zeros(2, vocabulary))
