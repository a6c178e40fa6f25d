"""Attention sequence by sequence, beside one plain attention for each sequence."""

from itertools import pairwise

import pytest

pytest.importorskip("torch")

import torch

from serve_daemon.engine.continuous import attention

HEADS, KEY_HEADS, SIZE, PLACES = 6, 2, 16, 4096


class Allocator:
    """Keeps keys and values as the paged cache does, one page for all."""

    index = 0

    def __init__(self) -> None:
        self.states = [torch.zeros(1, PLACES, KEY_HEADS, SIZE) for _ in range(2)]

    def update(self, *arguments: torch.Tensor) -> None:
        keys, values, _layer, _read, written = arguments
        for stored, new in zip(self.states, (keys, values), strict=True):
            stored[0].index_copy_(0, written, new)

    def get_cache_for_block_table(self, _layer: int) -> list[torch.Tensor]:
        return self.states


class Cache:
    def __init__(self) -> None:
        self.allocator = Allocator()
        self.layer_to_allocator = {0: self.allocator}
        self.plan = attention.Plan([], [])


class Layer(torch.nn.Module):
    layer_idx = 0


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Causal attention of the last tokens of one sequence to all of it: [N, H, D]."""
    share = HEADS // KEY_HEADS
    keys, values = (states.repeat_interleave(share, dim=1) for states in (key, value))
    scores = torch.einsum("nhd,lhd->hnl", query, keys) * SIZE**-0.5
    past = key.shape[0] - query.shape[0]
    visible = torch.ones(query.shape[0], key.shape[0], dtype=torch.bool).tril(past)
    weights = scores.masked_fill(~visible, -torch.inf).softmax(dim=-1)
    return torch.einsum("hnl,lhd->nhd", weights, values)


def run(lengths: list[tuple[int, int]], extra_tokens: int = 0) -> float:
    """The greatest difference to plain attention, for (query length, key length)s."""
    generator = torch.Generator().manual_seed(0)
    total = sum(key_length for _, key_length in lengths)
    slots = torch.randperm(PLACES, generator=generator)[:total]
    cache = Cache()
    for states in cache.allocator.states:
        states.normal_(generator=generator)
    parts = list(attention.parts_of(lengths))
    has_past = any(query_length != key_length for query_length, key_length in lengths)
    cache.plan = attention.plan(parts, slots if has_past else slots[:0], torch.float32)
    tokens = parts[-1].query.stop + extra_tokens
    query = torch.randn(1, HEADS, tokens, SIZE, generator=generator)
    key, value = (torch.randn(1, KEY_HEADS, tokens, SIZE, generator=generator) for _ in "kv")
    written = torch.cat([slots[p.key][p.key_length - p.query_length :] for p in parts])
    output, _ = attention.attend(
        Layer(), query, key, value, None, cache=cache, write_index=[written], scaling=SIZE**-0.5
    )
    worst = 0.0
    for part in parts:
        own = [states[0][slots[part.key]] for states in cache.allocator.states]
        wanted = plain(query[0].transpose(0, 1)[part.query], *own)
        worst = max(worst, float((output[0, part.query] - wanted).abs().max()))
    return worst


@pytest.mark.parametrize(
    "lengths",
    [
        [(1, 5)],
        [(1, 64), (1, 65), (1, 1)],
        [(1, 300), (1, 7), (1, 1000), (1, 256)],
        [(9, 9)],
        [(9, 9), (1, 1), (40, 40)],
        [(4, 30), (1, 12), (7, 7), (1, 700)],
    ],
    ids=str,
)
def test_each_sequence_attends_to_itself(lengths: list[tuple[int, int]]) -> None:
    """Single tokens, whole prompts and their later chunks, alone and together."""
    assert run(lengths) < 1e-5


def test_tokens_without_a_place_fill_up_the_batch() -> None:
    """A token that belongs to no sequence changes nothing."""
    assert run([(1, 20)], extra_tokens=1) < 1e-5


def test_a_row_is_the_same_whatever_its_neighbours_are(threads: int) -> None:
    """To the last bit; with more threads, torch's matrix library may round by their number."""
    tolerance = 0.0 if threads == 1 else 1e-6
    generator = torch.Generator().manual_seed(1)
    lengths = [20, 64, 65, 150, 256, 90]
    for dtype in (torch.float32, torch.bfloat16):
        past = [torch.randn(PLACES, KEY_HEADS, SIZE, generator=generator).to(dtype) for _ in "kv"]
        queries = torch.randn(len(lengths), HEADS, SIZE, generator=generator).to(dtype)
        slots = torch.randperm(PLACES, generator=generator)[: sum(lengths)]
        parts = list(attention.parts_of((1, length) for length in lengths))
        together = attention.plan(parts, slots, dtype).rows
        assert len(together) == 1
        batch = attention._attend_rows(together[0], queries, past, None)
        for row, part in enumerate(parts):
            single = [attention.Part(slice(0, 1), slice(0, part.key_length))]
            [alone] = attention.plan(single, slots[part.key], dtype).rows
            result = attention._attend_rows(alone, queries[row : row + 1], past, None)
            assert (result[0] - batch[row]).abs().max() <= tolerance


def test_long_sequences_are_not_padded_to_longer_ones() -> None:
    """Rows are grouped by magnitude: no group reads twice as much as it needs."""
    lengths = [10, 250, 257, 500, 900, 1000, 3000]
    parts = list(attention.parts_of((1, length) for length in lengths))
    groups = attention.plan(parts, torch.arange(sum(lengths)), torch.float32).rows
    assert [len(group.tokens) for group in groups] == [2, 2, 2, 1]
    widths = [group.mask.shape[-1] for group in groups]
    assert widths == [256, 512, 1024, 3008]


def test_parts_follow_each_other() -> None:
    """Each sequence's tokens and keys begin where its predecessor's end."""
    parts = list(attention.parts_of([(1, 5), (3, 3), (2, 9)]))
    for left, right in pairwise(parts):
        assert left.query.stop == right.query.start
        assert left.key.stop == right.key.start
    assert parts[-1].query.stop == 6
    assert parts[-1].key.stop == 17
