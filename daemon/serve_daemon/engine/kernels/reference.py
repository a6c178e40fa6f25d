"""What the operators compute, in plain torch: their definition, and what runs without a library."""

from collections.abc import Callable

import torch
from torch import Tensor

PANEL = 32  # outputs that lie together in a packed weight
TOKENS_AT_ONCE = 16  # whose whole slots are copied at once


def slot_attention(  # noqa: PLR0913, PLR0917 - the schema's
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_cache: Tensor,
    value_cache: Tensor,
    slots: Tensor,
    positions: Tensor,
    scale: float,
    window: int,
    softcap: float,
) -> Tensor:
    """Store `key` and `value` [T, K, D] at their slots and positions, then attend. See operators.

    Nothing here waits for a device, so that a graph of a GPU may hold it.
    """
    store(key, key_cache, slots, positions)
    store(value, value_cache, slots, positions)
    held = (lambda slot: key_cache[slot]), (lambda slot: value_cache[slot])
    return attend(query, *held, key_cache.shape[2], slots, positions, scale, window, softcap)


def attend(  # noqa: PLR0913, PLR0917 - the schema's
    query: Tensor,
    keys_of: Callable[[Tensor], Tensor],
    values_of: Callable[[Tensor], Tensor],
    length: int,
    slots: Tensor,
    positions: Tensor,
    scale: float,
    window: int,
    softcap: float,
) -> Tensor:
    """Of `query` [T, H, D] to what slots hold: `keys_of` slots [N] are [N, K, length, D]."""
    output = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    for begin in range(0, query.shape[0], TOKENS_AT_ONCE):
        part = slice(begin, begin + TOKENS_AT_ONCE)
        slot, hidden = slots[part].clamp(min=0), _hidden(positions[part], length, window)
        scores = _scores(query[part], keys_of(slot), scale, softcap)
        weights = scores.masked_fill_(hidden, -torch.inf).softmax(-1)
        # What was never written may be anything, and 0 times infinity is not 0.
        values = values_of(slot).float().masked_fill(hidden[:, :, 0, :, None], 0)
        result = (weights @ values).flatten(1, 2)
        output[part] = result.masked_fill(slots[part, None, None] < 0, 0).to(query.dtype)
    return output


def store(new: Tensor, cache: Tensor, slots: Tensor, positions: Tensor) -> None:
    """Padding repeats what the first real token stores, or what is there where none is real."""
    if not len(slots):
        return
    real = slots >= 0
    first = real.int().argmax()
    source = torch.where(real, torch.arange(len(slots), device=slots.device), first)
    slot, position = slots[source].clamp(min=0), positions[source]
    cache[slot, :, position] = torch.where(real.any(), new[source], cache[slot, :, position])


def _scores(query: Tensor, keys: Tensor, scale: float, softcap: float) -> Tensor:
    """Of `query` [T, H, D] with `keys` [T, K, L, D]: [T, K, H / K, L], float32."""
    tokens, heads, size = query.shape
    grouped = query.float().reshape(tokens, keys.shape[1], heads // keys.shape[1], size)
    scores = grouped @ keys.float().transpose(2, 3) * scale
    return torch.tanh(scores / softcap) * softcap if softcap else scores


def _hidden(positions: Tensor, length: int, window: int) -> Tensor:
    """Which of a slot's `length` positions a token doesn't see: [T, 1, 1, length]."""
    every = torch.arange(length, device=positions.device)
    own = positions[:, None]
    hidden = every > own
    if window > 0:
        hidden |= every <= own - window
    return hidden[:, None, None]


def pack_bf16_weight(weight: Tensor) -> Tensor:
    """`weight` [out, in] as [out / 32, in / 2, 32, 2], padded by zeros: what bf16_linear reads."""
    outputs, inputs = weight.shape
    padding = (0, inputs % 2, 0, -outputs % PANEL)
    padded = torch.nn.functional.pad(weight, padding) if any(padding) else weight
    panels = padded.reshape(-1, PANEL, padded.shape[1] // 2, 2)
    return panels.transpose(1, 2).contiguous()


def unpack_bf16_weight(packed: Tensor, outputs: int, inputs: int) -> Tensor:
    """The weight [outputs, inputs] that `packed` was made of."""
    return packed.transpose(1, 2).flatten(2).flatten(0, 1)[:outputs, :inputs]


def bf16_linear(
    input: Tensor,  # noqa: A002 - the schema's
    packed_weight: Tensor,
    bias: Tensor | None,
    out_features: int,
) -> Tensor:
    """A linear layer over what `pack_bf16_weight` packed: [..., in] to [..., out_features]."""
    weight = unpack_bf16_weight(packed_weight, out_features, input.shape[-1])
    return torch.nn.functional.linear(input, weight, bias)
