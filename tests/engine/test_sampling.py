"""The sampler beside Transformers' own warpers, and its draws beside its distribution."""

from collections.abc import Sequence

import msgspec
import pytest

pytest.importorskip("torch")

import torch
from transformers import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from serve_daemon.engine import sampling as sampler
from serve_daemon.engine.sampling import Draw, choose, distribution
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 2000
CASES = [
    Sampling(),
    Sampling(temperature=0.7),
    Sampling(temperature=1.8),
    Sampling(top_k=1),
    Sampling(top_k=2),
    Sampling(top_k=50),
    Sampling(top_k=VOCABULARY),
    Sampling(top_k=10 * VOCABULARY),
    Sampling(top_p=0.01),
    Sampling(top_p=0.5),
    Sampling(top_p=0.95),
    Sampling(top_p=0.999999),
    Sampling(temperature=0.8, top_k=40, top_p=0.9),
    Sampling(temperature=3.0, top_k=1500, top_p=0.7),
    Sampling(min_p=0.001),
    Sampling(min_p=0.3),
    Sampling(min_p=1.0),
    Sampling(typical_p=0.05),
    Sampling(typical_p=0.5),
    Sampling(typical_p=0.95),
    Sampling(temperature=1.5, min_p=0.05),
    Sampling(temperature=1.5, typical_p=0.8),
    Sampling(temperature=1.2, top_k=300, top_p=0.95, min_p=0.01, typical_p=0.7),
]


def logits_of(seed: int, rows: int = 1, vocabulary: int = VOCABULARY) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * 3


def expected(logits: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """What Transformers' generate() would draw from."""
    scores = TemperatureLogitsWarper(sampling.temperature)(None, logits)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    if sampling.min_p:
        scores = MinPLogitsWarper(sampling.min_p)(None, scores)
    if sampling.typical_p < 1:
        scores = TypicalLogitsWarper(sampling.typical_p)(None, scores)
    wanted: torch.Tensor = scores.softmax(dim=-1)
    return wanted


def actual(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    mass = distribution(logits, samplings)
    normalized: torch.Tensor = mass / mass.sum(dim=-1, keepdim=True)
    return normalized


@pytest.mark.parametrize("sampling", CASES, ids=str)
def test_the_distribution_is_that_of_transformers(sampling: Sampling) -> None:
    """Value by value, for each parameter alone and for all of them together."""
    logits = logits_of(1)
    wanted = expected(logits, sampling)
    got = actual(logits, [sampling])
    assert torch.equal(got > 0, wanted > 0)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-8)


def test_each_row_has_its_own_parameters() -> None:
    """A batch of all cases gives each row what it gets alone."""
    logits = logits_of(2, len(CASES))
    wanted = torch.cat([actual(logits[row : row + 1], [case]) for row, case in enumerate(CASES)])
    assert torch.equal(actual(logits, CASES), wanted)


def test_a_flat_nucleus_is_wider_than_the_candidates() -> None:
    """Where more tokens are needed than are looked at first, all are."""
    logits = logits_of(3) * 0.01
    assert sampler.NUCLEUS_CANDIDATES < 0.9 * VOCABULARY
    kept = actual(logits, [Sampling(top_p=0.9)]) > 0
    assert torch.equal(kept, expected(logits, Sampling(top_p=0.9)) > 0)
    assert kept.sum() > sampler.NUCLEUS_CANDIDATES


def test_top_k_keeps_ties() -> None:
    """As Transformers does: what equals the k-th score is kept too."""
    logits = torch.tensor([[1.0, 3.0, 2.0, 2.0, 0.0]])
    kept = actual(logits, [Sampling(top_k=2)]) > 0
    assert kept.tolist() == [[False, True, True, True, False]]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.6),
        Sampling(top_k=5),
        Sampling(top_p=0.8),
        Sampling(temperature=1.4, top_k=12, top_p=0.9),
        Sampling(temperature=1.4, min_p=0.1),
        Sampling(typical_p=0.7),
    ],
    ids=str,
)
def test_draws_follow_the_distribution(sampling: Sampling) -> None:
    """Chi-square over 20,000 draws of one sequence's positions, p > 0.001."""
    count, vocabulary = 20_000, 20
    logits = logits_of(4, 1, vocabulary) / 3
    tokens = choose(
        logits.expand(count, -1),
        [
            Draw(
                msgspec.structs.replace(sampling, seed=99),
                position,
            )
            for position in range(count)
        ],
    )
    wanted = expected(logits, sampling)[0] * count
    observed = torch.bincount(tokens, minlength=vocabulary)
    assert not observed[wanted == 0].any()
    possible = wanted > 0
    statistic = ((observed - wanted)[possible] ** 2 / wanted[possible]).sum()
    critical = 43.8  # of 19 degrees of freedom; fewer have less
    assert statistic < critical


def test_greedy_and_sampled_share_a_batch() -> None:
    """Greedy rows get the argmax, and the others what they would get alone."""
    logits = logits_of(5, 4)
    draws = [
        Draw(Sampling(temperature=0), 3),
        Draw(Sampling(seed=1), 3),
        Draw(Sampling(top_k=1, seed=2), 3),
        Draw(Sampling(seed=1, top_p=0.5), 3),
    ]
    tokens = choose(logits, draws)
    assert tokens[0] == logits[0].argmax()
    assert tokens[2] == logits[2].argmax()
    alone = [choose(logits[row : row + 1], [draws[row]])[0] for row in range(4)]
    assert tokens.tolist() == [int(token) for token in alone]


def test_a_draw_depends_on_seed_and_position() -> None:
    """Another seed, or another position, draws anew; the same ones draw the same."""
    logits = logits_of(6).expand(64, -1) * 0.1
    first = choose(logits, [Draw(Sampling(seed=7), position) for position in range(64)])
    again = choose(logits, [Draw(Sampling(seed=7), position) for position in range(64)])
    other = choose(logits, [Draw(Sampling(seed=8), position) for position in range(64)])
    assert torch.equal(first, again)
    assert len(set(first.tolist())) > 32
    assert (first != other).sum() > 32


@pytest.mark.parametrize("temperature", [0.0, 1e-30, 1e-6])
def test_the_coldest_temperatures_are_greedy(temperature: float) -> None:
    """A temperature that would overflow the logits leaves the likeliest token."""
    logits = logits_of(7) * 100
    token = choose(logits, [Draw(Sampling(temperature=temperature, seed=3), 0)])
    assert token[0] == logits.argmax()


@pytest.mark.parametrize("seed", [-1, 2**64 - 1, -(2**63)])
def test_any_64_bits_are_a_seed(seed: int) -> None:
    """Signed or not."""
    token = choose(logits_of(8), [Draw(Sampling(seed=seed), 0)])
    assert 0 <= token[0] < VOCABULARY
