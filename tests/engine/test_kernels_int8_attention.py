"""Attention over keys and values that are kept in 8 bits."""

import math
import shutil

import pytest
import torch
from torch import Tensor

from engine.attention_cases import in_8_bits
from serve_daemon.engine.kernels import build, int8_attention, operators

pytestmark = [
    pytest.mark.skipif(
        shutil.which("g++") is None and not build.BUILT_AHEAD.exists(), reason="no compiler"
    ),
    pytest.mark.usefixtures("library"),
]
SLOTS, HEADS, LENGTH, SIZE = 3, 2, 200, 64
OPTIONS = (SIZE**-0.5, 0, 0.0)


def states(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def empty() -> tuple[Tensor, ...]:
    cache = torch.zeros(SLOTS, HEADS, LENGTH, SIZE)
    return in_8_bits(cache, cache)


def attend(new: Tensor, caches: tuple[Tensor, ...], slot: int, first: int = 0) -> Tensor:
    """`new` [T, K, D] is query, key and value in consecutive positions of `slot`."""
    places = torch.full((len(new),), slot), torch.arange(first, first + len(new))
    result: Tensor = operators.slot_attention_int8(new, new, new, *caches, *places, *OPTIONS)
    return result


def test_eight_bits_are_nearly_as_good() -> None:
    """What attention gives differs by less than a percent from that of what was not rounded."""
    new = states(LENGTH, HEADS, SIZE)
    plain = [torch.zeros(SLOTS, HEADS, LENGTH, SIZE) for _ in range(2)]
    places = torch.zeros(LENGTH, dtype=torch.int64), torch.arange(LENGTH)
    exact = operators.slot_attention(*[new.float()] * 3, *plain, *places, *OPTIONS)
    result = attend(new, empty(), slot=0).float()
    assert (result - exact).norm() < 0.01 * exact.norm()


def test_what_is_stored() -> None:
    """The nearest of 255 values of each head's own scale, of what is turned."""
    caches = empty()
    new = states(1, HEADS, SIZE)
    attend(new, caches, slot=2, first=7)
    keys, values, key_scales, value_scales = (cache[2, :, 7] for cache in caches)
    turned = int8_attention.turned(new[0])
    largest = turned.abs().amax(-1)
    assert torch.equal(key_scales, largest / 127)
    assert torch.equal(value_scales, key_scales)
    assert torch.equal(keys, values)
    error = (int8_attention.dequantize(keys, key_scales) - turned).abs().amax(-1)
    assert (error <= largest / 127 / 2 * 1.001).all()
    assert all(cache[:2].count_nonzero() == 0 for cache in caches)


def test_turning_twice_changes_nothing() -> None:
    """But for a factor; products of what is turned stay as they were, and large values don't."""
    for size, together in (64, 64), (80, 16), (96, 32), (7, 1):
        some, other = states(2, size).float(), states(2, size, seed=1).float()
        turned = int8_attention.turned(some)
        torch.testing.assert_close(int8_attention.turned(turned), some * together)
        products = (turned * int8_attention.turned(other)).sum(-1) / together
        torch.testing.assert_close(products, (some * other).sum(-1), rtol=1e-4, atol=1e-4)
    peak = torch.zeros(64)
    peak[9] = 64
    assert torch.equal(int8_attention.turned(peak).abs(), torch.full((64,), 64.0))


@pytest.mark.parametrize(
    ("value", "scale"), [(0.0, 0.0), (math.inf, math.inf), (math.nan, math.nan)], ids=str
)
def test_what_has_no_multiples(value: float, scale: float) -> None:
    """Nothing, or no number, is kept as zeros of a scale that tells; others are not touched."""
    new = states(3, HEADS, SIZE)
    new[1, 0, 5] = value
    if not value:
        new[1, 0] = 0
    caches = empty()
    result = attend(new, caches, slot=0)
    assert caches[0][0, 0, 1].count_nonzero() == 0
    assert caches[2][0, 0, 1].item() == pytest.approx(scale, nan_ok=True)
    assert result[0].isfinite().all()
    assert result[2, 1].isfinite().all()
    assert result[2, 0].isfinite().all() == math.isfinite(value)


@pytest.mark.parametrize("softcap", [0.0, 5.0])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_query_that_is_no_number_gives_none(value: float, softcap: float) -> None:
    """Also where scores are capped, which makes a number of what is infinite."""
    query, new = states(2, HEADS, SIZE), states(2, HEADS, SIZE, seed=1)
    query[0, 0, 5] = value
    places = torch.zeros(2, dtype=torch.int64), torch.arange(2)
    result = operators.slot_attention_int8(
        query, new, new, *empty(), *places, *OPTIONS[:2], softcap
    )
    assert result[0, 0].isnan().all()
    assert result[0, 1].isfinite().all()
    assert result[1].isfinite().all()


def test_what_no_token_has_stored_is_not_read(threads: int) -> None:
    """Scales beyond a token's own position may be anything."""
    new, caches = states(4, HEADS, SIZE), empty()
    for scales in caches[2:]:
        scales[:, :, 131:] = torch.nan
    caches[0][:, :, 131:] = 127
    assert attend(new[:1], caches, slot=0, first=130).isfinite().all()
    assert attend(new, caches, slot=1, first=127).isfinite().all()


def test_scales_of_another_shape_are_refused() -> None:
    """Memory is not touched."""
    keys, values, key_scales, _ = empty()
    with pytest.raises(RuntimeError, match="scales must be contiguous float32"):
        attend(states(1, HEADS, SIZE), (keys, values, key_scales, key_scales[:1]), slot=0)
    with pytest.raises(RuntimeError, match="or int8 with scales"):
        attend(states(1, HEADS, SIZE), (keys.short(), values, key_scales, key_scales), slot=0)
