"""Log-probabilities beside those of PyTorch."""

import pytest

pytest.importorskip("torch")

import torch

from serve_daemon.engine.logprobs import logprobs_of
from serve_daemon.engine.sampling import Draw, choose
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 300


def logits_of(rows: int) -> torch.Tensor:
    return torch.randn(rows, VOCABULARY, generator=torch.Generator().manual_seed(9)) * 3


def test_they_are_the_models_own() -> None:
    """Whatever the sampling makes of the logits; as many of the likeliest as each row wants."""
    samplings = [
        Sampling(temperature=0.2, top_k=3, logprobs=5),
        Sampling(),
        Sampling(temperature=0.0, logprobs=0),
        Sampling(top_p=0.5, min_p=0.1, seed=4, logprobs=20),
    ]
    logits = logits_of(len(samplings))
    draws = [Draw(sampling, 7) for sampling in samplings]
    tokens = choose(logits, draws)
    told = logprobs_of(logits, tokens, draws)
    assert sorted(told) == [0, 2, 3]
    wanted = logits.log_softmax(-1)
    for row, logprobs in told.items():
        assert logprobs.logprob == pytest.approx(float(wanted[row, tokens[row]]), abs=1e-5)
        best = wanted[row].topk(samplings[row].logprobs)
        assert logprobs.top_tokens == best.indices.tolist()
        assert logprobs.top_logprobs == pytest.approx(best.values.tolist(), abs=1e-5)


def test_a_small_vocabulary_has_no_more() -> None:
    """Than its tokens."""
    logits = logits_of(1)[:, :4]
    draws = [Draw(Sampling(logprobs=20), 0)]
    [logprobs] = logprobs_of(logits, choose(logits, draws), draws).values()
    assert sorted(logprobs.top_tokens) == [0, 1, 2, 3]


def test_nobody_asks() -> None:
    """Nothing is computed."""
    logits = logits_of(1)
    draws = [Draw(Sampling(), 0)]
    assert logprobs_of(logits, choose(logits, draws), draws) == {}
