"""Attention of packed tokens on a CPU: every sequence reads its own keys and values, and no others.

Transformers' own way with SDPA is one call for the whole batch, in which each token is compared
with the keys of all sequences, and a mask as large takes most of it back: its cost grows with the
square of the batch, and its rounding depends on who shares the batch. Here the sequences that get
one token are padded to a common length and go through SDPA as a batch; each chunk of a prompt has a
call of its own. Padding ends at a multiple of `PAD_TOKENS`, which keeps a row's result the same to
the last bit, however long its neighbours are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from msgspec import Struct
from torch.nn import functional
from transformers import AttentionInterface

NAME = "sdpa_by_sequence"
PAD_TOKENS = 64
SMALLEST_GROUP = 256  # tokens; sequences no longer than that are never told apart


class Part(Struct, frozen=True):
    """One scheduled sequence: where its tokens and its keys lie in the packed batch."""

    query: slice
    key: slice

    @property
    def query_length(self) -> int:
        return int(self.query.stop - self.query.start)

    @property
    def key_length(self) -> int:
        return int(self.key.stop - self.key.start)


class Rows(Struct, frozen=True):
    """Sequences that get one token each, padded to one length."""

    tokens: torch.Tensor  # [R], their places in the packed batch
    slots: torch.Tensor  # [R * L], places in the cache
    mask: torch.Tensor  # [R, 1, 1, L], added to the scores


class Chunk(Struct, frozen=True):
    """Several tokens of one sequence."""

    query: slice
    slots: torch.Tensor | None  # [L], places in the cache; None: all keys are those of the chunk
    mask: torch.Tensor | None  # [N, L], added to the scores; None where nothing is before them


class Plan(Struct, frozen=True):
    """How the sequences of one step are computed; the same in all layers."""

    rows: list[Rows]
    chunks: list[Chunk]


def parts_of(lengths: Iterable[tuple[int, int]]) -> Iterator[Part]:
    """The parts of a packed batch, from (query length, key length) of each sequence."""
    query = key = 0
    for query_length, key_length in lengths:
        yield Part(slice(query, query + query_length), slice(key, key + key_length))
        query += query_length
        key += key_length


def plan(parts: Sequence[Part], slots: torch.Tensor, dtype: torch.dtype) -> Plan:
    """How to compute `parts`.

    `slots` holds the place in the cache of every key, sequence after sequence; it is empty where
    no sequence has keys from an earlier step.
    """
    has_past = slots.numel() > 0
    single = [part for part in parts if part.query_length == 1 and has_past]
    several = [part for part in parts if part.query_length > 1 or not has_past]
    return Plan(
        rows=[_rows(group, slots, dtype) for group in _groups(single)],
        chunks=[_chunk(part, slots if has_past else None, dtype) for part in several],
    )


def _groups(parts: Iterable[Part]) -> Iterable[list[Part]]:
    """Sequences of about the same length, so that little is read for padding."""
    groups: dict[int, list[Part]] = {}
    for part in parts:
        magnitude = max(part.key_length, SMALLEST_GROUP) - 1
        groups.setdefault(magnitude.bit_length(), []).append(part)
    return groups.values()


def _rows(parts: list[Part], slots: torch.Tensor, dtype: torch.dtype) -> Rows:
    lengths = torch.tensor([part.key_length for part in parts]).unsqueeze(1)  # [R, 1]
    starts = torch.tensor([part.key.start for part in parts]).unsqueeze(1)
    longest = int(lengths.max())
    steps = torch.arange(-(-longest // PAD_TOKENS) * PAD_TOKENS)  # [L]
    # Padding reads a sequence's own last key, which is always there, and is masked.
    wanted = starts + torch.minimum(steps, lengths - 1)
    mask = torch.zeros(wanted.shape, dtype=dtype).masked_fill_(steps >= lengths, -torch.inf)
    return Rows(
        tokens=torch.tensor([part.query.start for part in parts]),
        slots=slots[wanted.flatten()],
        mask=mask[:, None, None, :],
    )


def _chunk(part: Part, slots: torch.Tensor | None, dtype: torch.dtype) -> Chunk:
    if slots is None:
        return Chunk(part.query, None, None)
    past = part.key_length - part.query_length
    if not past:
        return Chunk(part.query, slots[part.key], None)
    later = torch.ones(part.query_length, part.key_length, dtype=torch.bool).triu_(past + 1)
    mask = torch.zeros(later.shape, dtype=dtype).masked_fill_(later, -torch.inf)
    return Chunk(part.query, slots[part.key], mask)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,  # [1, H, T, D]
    key: torch.Tensor,  # [1, K, T, D]
    value: torch.Tensor,  # [1, K, T, D]
    _attention_mask: torch.Tensor | None,
    **arguments: Any,
) -> tuple[torch.Tensor, None]:
    """Store the new keys and values, then attend as the step's plan says: [1, T, H, D].

    Tokens beyond those that the cache has a place for fill up the batch, and stay zero.
    """
    cache, layer = arguments["cache"], module.layer_idx
    allocator = cache.layer_to_allocator[layer]
    queries, keys, values = (states[0].transpose(0, 1) for states in (query, key, value))
    written = arguments["write_index"][allocator.index]
    nothing = written[:0]  # an empty read index: the cache only stores
    allocator.update(keys[: len(written)], values[: len(written)], layer, nothing, written)
    past = [pages.flatten(0, 1) for pages in allocator.get_cache_for_block_table(layer)]
    scale = arguments.get("scaling")
    output = queries.new_zeros(queries.shape)
    for rows in cache.plan.rows:
        output.index_copy_(0, rows.tokens, _attend_rows(rows, queries, past, scale))
    for chunk in cache.plan.chunks:
        if chunk.slots is None:
            own = [keys[chunk.query], values[chunk.query]]
        else:
            own = [states.index_select(0, chunk.slots) for states in past]
        output[chunk.query] = _attend_chunk(chunk, queries[chunk.query], own, scale)
    return output.unsqueeze(0), None


def _attend_rows(
    rows: Rows, queries: torch.Tensor, past: list[torch.Tensor], scale: float | None
) -> torch.Tensor:
    """[R, H, D]: the queries that share keys are rows of one small matrix."""
    count, length = rows.mask.shape[0], rows.mask.shape[-1]
    keys, values = (
        states.index_select(0, rows.slots).view(count, length, *states.shape[1:]).transpose(1, 2)
        for states in past
    )  # [R, K, L, D]
    wanted = queries.index_select(0, rows.tokens)
    grouped = wanted.view(count, keys.shape[1], -1, wanted.shape[-1])
    mask = rows.mask.expand(-1, 1, grouped.shape[2], -1)
    return functional.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=mask, scale=scale
    ).flatten(1, 2)


def _attend_chunk(
    chunk: Chunk, queries: torch.Tensor, own: list[torch.Tensor], scale: float | None
) -> torch.Tensor:
    """[N, H, D]: attention of a chunk to its sequence so far."""
    if chunk.mask is None:
        return _attend_first(queries, own, scale)
    # The queries that share keys are rows of one matrix: copies of the keys would cost more than
    # everything else, and several times as much again where the mask is not in their own type.
    (count, heads, size), groups = queries.shape, own[0].shape[1]
    share = heads // groups
    keys, values = (states.transpose(0, 1)[None] for states in own)
    grouped = queries.reshape(count, groups, share, size).permute(1, 2, 0, 3).flatten(1, 2)
    output = functional.scaled_dot_product_attention(
        grouped[None], keys, values, attn_mask=chunk.mask.repeat(share, 1), scale=scale
    )
    return output[0].view(groups, share, count, size).permute(2, 0, 1, 3).flatten(1, 2)


def _attend_first(
    queries: torch.Tensor, own: list[torch.Tensor], scale: float | None
) -> torch.Tensor:
    """[N, H, D]: attention of a prompt's first chunk to itself."""
    share = queries.shape[1] // own[0].shape[1]
    keys, values = (states.repeat_interleave(share, dim=1).transpose(0, 1)[None] for states in own)
    output = functional.scaled_dot_product_attention(
        queries.transpose(0, 1)[None], keys, values, is_causal=True, scale=scale
    )
    return output[0].transpose(0, 1)


AttentionInterface.register(NAME, attend)
