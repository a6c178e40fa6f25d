"""Attention over slots: the C++ operator against its definition in torch."""

import ctypes
import shutil

import pytest
import torch
from torch import Tensor

from serve_daemon.engine.kernels import build, operators, reference

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
    pytest.mark.usefixtures("library"),
]
SLOTS, LENGTH = 6, 400
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1.6e-2, torch.float16: 2e-3}
PORTABLE, AVX2, AVX512, AVX512_BF16 = range(4)

Case = tuple[Tensor, ...]  # query, key, value, key cache, value cache


def case(
    tokens: int, group: int, size: int, dtype: torch.dtype = torch.bfloat16, key_heads: int = 2
) -> Case:
    """Query, key, value and two caches that hold something everywhere."""
    random = torch.Generator().manual_seed(tokens + 1000 * group + size)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(dtype)

    cache = (SLOTS, key_heads, LENGTH, size)
    new = (tokens, key_heads, size)
    return draw(tokens, group * key_heads, size), draw(*new), draw(*new), draw(*cache), draw(*cache)


def attend(
    case: Case, slots: Tensor, positions: Tensor, window: int = 0, softcap: float = 0.0
) -> Tensor:
    """By the operator, into the caches of `case`."""
    scale = case[0].shape[2] ** -0.5
    result: Tensor = operators.slot_attention(*case, slots, positions, scale, window, softcap)
    return result


def check(
    case: Case, slots: Tensor, positions: Tensor, window: int = 0, softcap: float = 0.0
) -> Tensor:
    """The operator's answer, which is the reference's, as are the caches."""
    query, key, value, *caches = case
    keys, values = (cache.clone() for cache in caches)
    wanted = reference.slot_attention(
        query, key, value, keys, values, slots, positions, query.shape[2] ** -0.5, window, softcap
    )
    result = attend(case, slots, positions, window, softcap)
    tolerance = TOLERANCE[query.dtype]
    torch.testing.assert_close(result, wanted, rtol=tolerance, atol=tolerance)
    assert torch.equal(caches[0], keys)
    assert torch.equal(caches[1], values)
    return result


def one_each(tokens: int) -> tuple[Tensor, Tensor]:
    """A token in each slot, at positions far from one another."""
    return torch.arange(tokens), torch.arange(tokens) * 97 % LENGTH


def mixed() -> tuple[Tensor, Tensor]:
    """A chunk of a prompt, single tokens, padding, and a second chunk from the start."""
    slots = [3] * 70 + [0, 1, -1, 2] + [4] * 20 + [-1, -1]
    positions = [*range(90, 160), 5, 300, 0, 128, *range(20), 0, 9]
    return torch.tensor(slots), torch.tensor(positions)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", [16, 64, 80, 128, 256])
@pytest.mark.parametrize("group", [1, 3, 4, 8])
def test_tokens_of_several_slots_and_chunks(dtype: torch.dtype, size: int, group: int) -> None:
    """Every head size and group, for single tokens and for chunks of prompts."""
    slots, positions = mixed()
    result = check(case(len(slots), group, size, dtype), slots, positions)
    assert torch.equal(result[slots < 0], torch.zeros_like(result[slots < 0]))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("window", [0, 1, 50, 128, 300])
@pytest.mark.parametrize("softcap", [0.0, 2.0])
def test_windows_and_softcaps(dtype: torch.dtype, window: int, softcap: float) -> None:
    """A token sees itself and window - 1 before; scores stay within the cap."""
    slots, positions = mixed()
    result = check(case(len(slots), 3, 64, dtype), slots, positions, window, softcap)
    assert result.isfinite().all()


@pytest.mark.parametrize("level", [PORTABLE, AVX2, AVX512], ids=["portable", "avx2", "avx512"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("size", [64, 80])
def test_what_other_processors_run(
    library: ctypes.CDLL, level: int, dtype: torch.dtype, size: int
) -> None:
    """The code for less capable processors gives the same answers."""
    library.serve_daemon_limit_level(level)
    try:
        slots, positions = mixed()
        result = check(case(len(slots), 3, size, dtype), slots, positions, 200, 5.0)
    finally:
        library.serve_daemon_limit_level(AVX512_BF16)
    assert result.isfinite().all()


@pytest.mark.parametrize("level", [PORTABLE, AVX2, AVX512, AVX512_BF16])
@pytest.mark.parametrize("softcap", [0.0, 5.0])
def test_what_is_no_number_stays_so(library: ctypes.CDLL, level: int, softcap: float) -> None:
    """Of one head of one token; the others are not touched."""
    slots, positions = mixed()
    for dtype in TOLERANCE:
        given = case(len(slots), 3, 64, dtype)
        given[0][1, 2, 5] = torch.nan
        library.serve_daemon_limit_level(level)
        result = attend(given, slots, positions, softcap=softcap)
        library.serve_daemon_limit_level(AVX512_BF16)
        assert result[1, 2].isnan().all()
        result[1, 2] = 0
        assert result.isfinite().all()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_long_contexts_are_shared_out(threads: int, dtype: torch.dtype) -> None:
    """One token with a long context: its pieces are computed apart."""
    result = check(case(1, 3, 64, dtype), torch.tensor([5]), torch.tensor([LENGTH - 1]))
    assert result.shape == (1, 6, 64)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_a_row_is_the_same_whatever_shares_its_batch(threads: int, dtype: torch.dtype) -> None:
    """To the last bit: alone, among others, and within a chunk of its prompt."""
    slots, positions = mixed()
    whole = case(len(slots), 3, 64, dtype)
    together = attend(whole, slots, positions, window=140)
    for token in range(len(slots)):
        one = slice(token, token + 1)
        parts = *(part[one] for part in whole[:3]), *whole[3:]
        alone = attend(parts, slots[one], positions[one], window=140)
        assert torch.equal(alone[0], together[token]), token


def test_the_number_of_threads_changes_nothing() -> None:
    """Though the work is then divided in other ways."""
    results = []
    before = torch.get_num_threads()
    for number in (1, 2, 3):
        torch.set_num_threads(number)
        results.append(attend(case(3, 3, 64), *one_each(3)))
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_what_no_token_has_stored_is_not_read(dtype: torch.dtype) -> None:
    """Positions beyond a token's own may hold anything, not-a-number included."""
    whole = case(len(mixed()[0]), 3, 64, dtype)
    slots, positions = mixed()
    for cache in whole[3:]:
        for slot, held in {0: 6, 1: 301, 2: 129, 3: 160, 4: 20, 5: 0}.items():
            cache[slot, :, held:] = torch.nan
    assert check_finite(whole, slots, positions)


def check_finite(case: Case, slots: Tensor, positions: Tensor) -> bool:
    return bool(attend(case, slots, positions).isfinite().all())


def test_views_are_taken_as_they_are(threads: int) -> None:
    """Heads before tokens, as models have them, or with the last dimension apart."""
    query, key, value, *caches = case(4, 3, 64)
    wanted = attend((query, key, value, *(c.clone() for c in caches)), *one_each(4))
    turned = [each.transpose(0, 1).contiguous().transpose(0, 1) for each in (query, key, value)]
    apart = [each.transpose(0, 2).contiguous().transpose(0, 2) for each in (query, key, value)]
    for given in (turned, apart):
        got = attend((*given, *(c.clone() for c in caches)), *one_each(4))
        assert torch.equal(got, wanted)


def test_nothing_at_all() -> None:
    """No tokens, or none but padding."""
    none = attend(case(0, 3, 64), *one_each(0))
    assert none.shape == (0, 6, 64)
    padding = check(case(2, 3, 64), torch.tensor([-1, -1]), torch.tensor([0, 0]))
    assert not padding.any()


@pytest.mark.parametrize(
    ("slot", "position"), [(SLOTS, 0), (0, LENGTH), (0, -1)], ids=["slot", "position", "negative"]
)
def test_a_place_outside_the_cache_is_refused(slot: int, position: int) -> None:
    """By its number; memory is not touched."""
    with pytest.raises(RuntimeError, match="outside the cache"):
        attend(case(1, 3, 64), torch.tensor([slot]), torch.tensor([position]))
