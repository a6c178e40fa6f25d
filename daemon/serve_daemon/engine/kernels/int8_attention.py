"""Attention over slots whose keys and values are kept in 8 bits, in plain torch.

What a token adds to a slot is quantized once for each of its key heads, when it is stored: to the
integers -127 ..= 127 of a scale that is the largest magnitude over 127. So that a few large values,
which keys have, don't take the others' bits, each head is turned before, by a Hadamard transform,
and so are queries, which leaves their products as they were, and what attention gives is turned
back (QuaRot, Ashkboos et al. 2024, arXiv:2404.00456). As `reference`, this is the definition of the
operator, and what runs where no library is loaded.
"""

import torch
from torch import Tensor

from serve_daemon.engine.kernels import reference

LARGEST = 127


def slot_attention_int8(  # noqa: PLR0913, PLR0917 - the schema's
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_cache: Tensor,
    value_cache: Tensor,
    key_scales: Tensor,
    value_scales: Tensor,
    slots: Tensor,
    positions: Tensor,
    scale: float,
    window: int,
    softcap: float,
) -> Tensor:
    """Store `key` and `value` [T, K, D] in 8 bits, then attend. See operators."""
    for new, cache, scales in (key, key_cache, key_scales), (value, value_cache, value_scales):
        quantized, its_scales = quantize(turned(new))
        reference.store(quantized, cache, slots, positions)
        reference.store(its_scales, scales, slots, positions)
    together = _together(query.shape[-1])
    result = reference.attend(
        turned(query) / together,
        lambda slot: dequantize(key_cache[slot], key_scales[slot]),
        lambda slot: dequantize(value_cache[slot], value_scales[slot]),
        key_cache.shape[2],
        slots,
        positions,
        scale,
        window,
        softcap,
    )
    return (turned(result) / together).to(query.dtype)


def turned(states: Tensor) -> Tensor:
    """`states` [..., D] by the fast Walsh-Hadamard transform, float32.

    As many values together as a power of two divides D by: sums and differences of themselves.
    """
    exact, size, half = states.float(), states.shape[-1], 1
    while half < _together(size):
        first, second = exact.reshape(*exact.shape[:-1], -1, 2, half).unbind(-2)
        exact = torch.stack((first + second, first - second), -2).flatten(-3)
        half *= 2
    return exact


def _together(size: int) -> int:
    return size & -size


def quantize(states: Tensor) -> tuple[Tensor, Tensor]:
    """`states` [..., D] as int8 [..., D], to the nearest, ties to even; and scales [...] float32.

    Where something is infinite or not a number, all are 0, of a scale that is that.
    """
    exact = states.float()
    scales = exact.abs().amax(-1) / LARGEST
    multiples = (exact / scales[..., None]).round().clamp(-LARGEST, LARGEST)
    is_nothing = ~((scales > 0) & scales.isfinite())
    return multiples.masked_fill(is_nothing[..., None], 0).to(torch.int8), scales


def dequantize(quantized: Tensor, scales: Tensor) -> Tensor:
    """What `quantized` [..., D] stands for, float32."""
    return quantized.float() * scales[..., None]
