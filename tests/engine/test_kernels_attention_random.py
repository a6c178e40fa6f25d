"""Attention over slots in random shapes, by the code of each processor."""

import ctypes
import shutil
from collections.abc import Iterator

import pytest
import torch

from engine.attention_cases import OPERATORS, check
from serve_daemon.engine.kernels import build

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
]
LEVELS = {"portable": 0, "avx2": 1, "avx512": 2, "avx512_bf16": 3}
MANY = 10_000


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, library: ctypes.CDLL) -> Iterator[str]:
    """The code that is run, where this processor can run it."""
    library.serve_daemon_limit_level(LEVELS[request.param])
    yield request.param
    library.serve_daemon_limit_level(LEVELS["avx512_bf16"])


@pytest.mark.parametrize("form", OPERATORS)
def test_random_shapes(level: str, form: str) -> None:
    """As the definition says, and each row the same alone, to the last bit."""
    for seed in range(12):
        torch.set_num_threads(1 + seed % 2)
        check(form, seed + 100 * LEVELS[level])


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", OPERATORS)
def test_ten_thousand_random_shapes(level: str, form: str) -> None:
    """A quarter of them by each."""
    for seed in range(LEVELS[level], MANY, len(LEVELS)):
        torch.set_num_threads(1 + seed % 3)
        check(form, seed)
