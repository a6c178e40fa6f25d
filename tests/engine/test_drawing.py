"""The operators that draw tokens: beside their definition, on every instruction set."""

import ctypes
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from serve_daemon.engine.kernels import build, drawing
from serve_daemon.engine.sampling import Draw, choose, sample
from serve_daemon.wire.sampling import Sampling

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
    pytest.mark.usefixtures("library"),
]
LEVELS = 4  # of instruction sets, the last of which is no limit
VOCABULARIES = [1, 7, 64, 1000]
LARGE = 20_000  # more blocks than are looked at first, and than are looked at next
CUTS: list[dict[str, Any]] = [
    {},
    {"top_p": 0.9},
    {"top_p": 0.999},
    {"top_p": 0.0},
    {"top_k": 1},
    {"top_k": 50},
    {"top_k": 3000},
    {"top_k": 40, "top_p": 0.8, "min_p": 0.02},
    {"min_p": 0.1},
    {"min_p": 1e-9, "top_p": 0.9999},
]


@pytest.fixture(params=range(LEVELS))
def _level(request: pytest.FixtureRequest, library: ctypes.CDLL) -> Iterator[None]:
    """Each instruction set that this CPU has."""
    library.serve_daemon_limit_level(request.param)
    yield
    library.serve_daemon_limit_level(LEVELS - 1)


def drawn_logits(rows: int, vocabulary: int, spread: float, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, vocabulary, generator=random) * spread


def points_of(rows: int, seed: int) -> list[float]:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(rows, generator=random, dtype=torch.float64).tolist()


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_the_likeliest_is_the_first_of_the_largest(vocabulary: int) -> None:
    """Also among many that are equal, and where the rest can't come."""
    logits = drawn_logits(5, vocabulary, 1.0, vocabulary)
    logits[1] = logits[1].round()
    logits[2] = 3.0
    logits[3, :-1] = -torch.inf
    logits[4] = -torch.inf
    assert drawing.likeliest(logits).tolist() == logits.argmax(dim=-1).tolist()


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_draws_are_those_of_the_definition(vocabulary: int) -> None:
    """Whatever is cut; the definition has more digits."""
    for cut in CUTS:
        check_draws(vocabulary, cut)


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_draws_from_a_large_vocabulary_are_those_of_the_definition(cut: dict[str, Any]) -> None:
    """Few candidates are looked at first, more where these are not enough."""
    check_draws(LARGE, cut)


def check_draws(vocabulary: int, cut: dict[str, Any]) -> None:
    """Of peaked rows and flat ones, hot and cold."""
    rows = 4
    for seed, (spread, temperature) in enumerate([(4.0, 0.8), (1.0, 1.0), (0.01, 1.5), (9.0, 0.1)]):
        logits = drawn_logits(rows, vocabulary, spread, seed)
        logits[0, vocabulary // 2 :] -= 1000.0
        if vocabulary > 1:
            logits[1, ::3] = -torch.inf
        samplings = [Sampling(temperature=temperature, **cut)] * rows
        parameters = drawing.parameters_of(samplings, points_of(rows, seed))
        found = drawing.draw(logits, parameters)
        assert found.tolist() == drawing.draw_by_definition(logits, parameters).tolist()


def drawn_masks(rows: int, vocabulary: int, words: int) -> Tensor:
    """Of few tokens and of many; the last row's is of one token."""
    random = torch.Generator().manual_seed(vocabulary)
    bits = torch.randint(-(2**31), 2**31, (rows, words), generator=random).int()
    bits[0] &= bits[1] & bits[-1].roll(1)
    bits[0, 1::2] = 0  # whole blocks in which nothing may come
    bits[-1] = 0
    bits[-1, vocabulary // 2 // 32] = 1 << vocabulary // 2 % 32
    return bits


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("missing", [-1, 0, 1])
@pytest.mark.parametrize("vocabulary", [100, 128, 1000])
def test_only_tokens_of_the_mask_are_drawn(vocabulary: int, missing: int) -> None:
    """As by the definition, also where the mask ends before the vocabulary or after it."""
    rows = 4
    logits = drawn_logits(rows, vocabulary, 2.0, vocabulary)
    masks = drawn_masks(rows, vocabulary, -(-vocabulary // 32) - missing)
    wanted = drawing.likeliest_by_definition(logits, masks)
    assert drawing.likeliest(logits, masks).tolist() == wanted.tolist()
    for cut in CUTS:
        samplings = [Sampling(temperature=1.3, **cut)] * rows
        parameters = drawing.parameters_of(samplings, points_of(rows, vocabulary))
        found = drawing.draw(logits, parameters, masks)
        assert found.tolist() == drawing.draw_by_definition(logits, parameters, masks).tolist()
        assert found[-1] == vocabulary // 2


def test_a_mask_leaves_the_logits_as_they_are() -> None:
    """Log probabilities are those of the model."""
    logits = drawn_logits(3, 500, 1.0, 1)
    kept, masks = logits.clone(), drawn_masks(3, 500, 16)
    drawing.draw(logits, drawing.parameters_of([Sampling()] * 3, [0.5] * 3), masks)
    assert torch.equal(logits, kept)


def test_every_row_goes_its_own_way(threads: int) -> None:
    """Whatever shares the batch, and whichever thread it is for."""
    del threads
    logits = drawn_logits(len(CUTS), 5000, 2.0, 3)
    samplings = [Sampling(temperature=0.5 + row, **cut) for row, cut in enumerate(CUTS)]
    samplings[4] = Sampling(temperature=0.0)
    parameters = drawing.parameters_of(samplings, points_of(len(CUTS), 4))
    whole = drawing.draw(logits, parameters)
    assert whole[4] == logits[4].argmax()
    for row in range(len(CUTS)):
        assert drawing.draw(logits[row : row + 1], parameters[row : row + 1]) == whole[row]


def test_points_find_tokens_as_often_as_these_are_likely() -> None:
    """Ten thousand points, evenly apart, of one row."""
    logits = torch.tensor([0.1, 0.2, 0.0, 0.3, 0.4]).log().repeat(10_000, 1)
    points = [(each + 0.5) / 10_000 for each in range(10_000)]
    tokens = drawing.draw(logits, drawing.parameters_of([Sampling()] * 10_000, points))
    counts = torch.bincount(tokens, minlength=5).tolist()
    assert counts == pytest.approx([1000, 2000, 0, 3000, 4000], abs=1)


@pytest.mark.parametrize("strange", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_number_ends_nowhere_else(strange: float) -> None:
    """A token of the vocabulary is drawn, whatever a broken model says."""
    logits = drawn_logits(4, 300, 1.0, 5)
    logits[0] = strange
    logits[1, 100:] = strange
    logits[2, 7] = strange
    for cut in CUTS:
        samplings = [Sampling(**cut)] * 4
        tokens = drawing.draw(logits, drawing.parameters_of(samplings, [0.0, 0.5, 0.99, 0.3]))
        assert all(0 <= token < 300 for token in tokens.tolist())


def test_what_it_can_not_read_is_refused() -> None:
    """By name."""
    with pytest.raises(RuntimeError, match="float32"):
        drawing.likeliest(torch.zeros(2, 3, dtype=torch.bfloat16))
    with pytest.raises(RuntimeError, match="float64"):
        drawing.draw(torch.zeros(2, 3), torch.zeros(2, 5))
    with pytest.raises(RuntimeError, match="int32"):
        drawing.likeliest(torch.zeros(2, 3), torch.zeros(3, 1, dtype=torch.int32))


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_the_sampler_draws_as_it_does_without_a_library(cut: dict[str, Any]) -> None:
    """So an engine with one goes on where an engine without one was lost."""
    logits = drawn_logits(16, 2000, 3.0, 6)
    draws = [Draw(Sampling(temperature=0.9, seed=row, **cut), row) for row in range(16)]
    assert choose(logits, draws).tolist() == sample(logits, draws).tolist()
