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

from serve_daemon.engine.cuts import WIDTHS, parts
from serve_daemon.engine.sampling import Draw, choose
from serve_daemon.wire.sampling import Sampling

VOCABULARY = 2000
ROUNDING = 2 * torch.finfo(torch.float32).eps  # of a sum of all masses
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
    Sampling(min_p=1e-6),
    Sampling(top_k=WIDTHS[0]),
    Sampling(top_k=WIDTHS[0] + 1, top_p=0.9),
    Sampling(top_k=WIDTHS[1], min_p=0.01),
    Sampling(top_k=WIDTHS[-1] + 1, typical_p=0.9),
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


def masses(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    """What the rows are drawn from; each of them is in one part."""
    found = torch.full_like(logits, -1)
    for part in parts(logits, samplings):
        mass = part.mass
        if part.tokens is not None:
            mass = torch.zeros_like(logits[part.rows]).scatter_(-1, part.tokens, mass)
        assert torch.equal(found[part.rows], torch.full_like(mass, -1))
        found[part.rows] = mass
    return found


def actual(logits: torch.Tensor, samplings: Sequence[Sampling]) -> torch.Tensor:
    found = masses(logits, samplings)
    normalized: torch.Tensor = found / found.sum(dim=-1, keepdim=True)
    return normalized


@pytest.mark.parametrize("sampling", CASES, ids=str)
def test_the_distribution_is_that_of_transformers(sampling: Sampling) -> None:
    """Value by value, for each parameter alone and for all of them together.

    But for tokens at a cut's edge, where the order in which float32 is summed up decides.
    """
    logits = logits_of(1)
    wanted = expected(logits, sampling)
    got = actual(logits, [sampling])
    on_one_side = (got > 0) != (wanted > 0)
    assert float((got + wanted)[on_one_side].sum()) < ROUNDING
    torch.testing.assert_close(got[~on_one_side], wanted[~on_one_side], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("vocabulary", [20, 300, 2000, 8192, 50_001])
def test_each_row_is_drawn_as_it_is_alone(vocabulary: int) -> None:
    """To the last bit, in a batch of all cases, whatever the size of the vocabulary."""
    logits = logits_of(2, len(CASES), vocabulary)
    alone = [masses(logits[row : row + 1], [case]) for row, case in enumerate(CASES)]
    assert torch.equal(masses(logits, CASES), torch.cat(alone))
    draws = [Draw(msgspec.structs.replace(case, seed=row), row) for row, case in enumerate(CASES)]
    tokens = [choose(logits[row : row + 1], [draw]) for row, draw in enumerate(draws)]
    assert torch.equal(choose(logits, draws), torch.cat(tokens))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("flatness", [0.01, 0.3, 1.0])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(top_p=0.9),
        Sampling(min_p=0.05),
        Sampling(typical_p=0.9),
        Sampling(top_k=700, top_p=0.99, typical_p=0.95),
    ],
    ids=str,
)
def test_as_many_candidates_are_looked_at_as_are_needed(
    sampling: Sampling, flatness: float, threads: int
) -> None:
    """Whether a few tokens are enough, or hardly the vocabulary is."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    logits = logits_of(3, 3, 49_152) * flatness
    kept = actual(logits, [sampling] * 3) > 0
    torch.set_num_threads(before)
    assert (kept != (expected(logits, sampling) > 0)).sum() <= 3  # a token at the very edge


@pytest.mark.parametrize("vocabulary", [20, 2000, 8192])
def test_a_cut_changes_no_draw_that_it_leaves_possible(vocabulary: int) -> None:
    """A point on the line of all tokens is the same token, whichever way the line was found."""
    logits = logits_of(9, 64, vocabulary)
    free = [Draw(Sampling(seed=row), row) for row in range(64)]
    uncut = [Draw(Sampling(seed=row, top_p=1 - 1e-7), row) for row in range(64)]
    assert (choose(logits, free) != choose(logits, uncut)).sum() <= 1


def test_the_likeliest_is_the_first_of_equals() -> None:
    """As argmax has it, whatever the size of the vocabulary."""
    for vocabulary in (1, 63, 64, 65, 1000):
        logits = torch.randint(0, 5, (50, vocabulary)).float()
        greedy = [Draw(Sampling(temperature=0.0), 0)] * 50
        assert torch.equal(choose(logits, greedy), logits.argmax(dim=-1))


def test_a_row_without_any_token_harms_nobody() -> None:
    """It gets some token of the vocabulary, and its neighbours get theirs."""
    logits = logits_of(10, len(CASES))
    logits[::2] = -torch.inf
    draws = [Draw(case, 0) for case in CASES]
    tokens = choose(logits, draws)
    assert bool(((tokens >= 0) & (tokens < VOCABULARY)).all())
    assert torch.equal(tokens[1::2], choose(logits[1::2], draws[1::2]))


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
