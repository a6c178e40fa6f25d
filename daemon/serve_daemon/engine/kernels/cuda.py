"""Attention over slots on an NVIDIA GPU, by the flash attention that torch brings.

Every packed token is a sequence of one query for its variable-length form, whose keys begin where
the token's slot does and end at its position (`seqused_k`), so that only what a slot holds is read
and a CUDA graph may hold the call. FlashAttention-2, Dao 2023, arXiv:2307.08691.
"""

import torch
from torch import Tensor

from serve_daemon.engine.kernels import reference

LARGEST_HEAD = 256
TYPES = (torch.bfloat16, torch.float16)


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
    """See `operators`. What flash attention can't do is computed by the reference."""
    places = slots, positions
    if softcap or not can_flash(query, key_cache):
        return reference.slot_attention(
            query, key, value, key_cache, value_cache, *places, scale, window, softcap
        )
    reference.store(key, key_cache, *places)
    reference.store(value, value_cache, *places)
    return _flash(query, (key_cache, value_cache), places, scale, window)


def can_flash(query: Tensor, cache: Tensor) -> bool:
    return query.dtype in TYPES and query.shape[-1] <= LARGEST_HEAD and is_by_token(cache)


def is_by_token(cache: Tensor) -> bool:
    """Whether the heads of one token lie together in `cache` [S, K, L, D]."""
    return cache.transpose(1, 2).is_contiguous()


def sequences(slots: Tensor, positions: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where each token's query and keys begin, and how many keys it sees: [T + 1], [T + 1], [T]."""
    count = slots.shape[0]
    queries = torch.arange(count + 1, device=slots.device, dtype=torch.int32)
    starts = (slots.clamp(min=0) * length).to(torch.int32)
    keys = torch.cat([starts, starts[-1:] + length])
    return queries, keys, (positions + 1).to(torch.int32)


def _flash(
    query: Tensor,
    caches: tuple[Tensor, Tensor],
    places: tuple[Tensor, Tensor],
    scale: float,
    window: int,
) -> Tensor:
    length = caches[0].shape[2]
    packed = [cache.transpose(1, 2).flatten(0, 1) for cache in caches]  # [S * L, K, D]
    queries, keys, used = sequences(*places, length)
    output: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - torch has no other
        query,
        *packed,
        queries,
        keys,
        1,
        length,
        0.0,
        False,
        False,
        scale=scale,
        window_size_left=window - 1 if window else None,
        window_size_right=0 if window else None,
        seqused_k=used,
    )[0]
    return output
