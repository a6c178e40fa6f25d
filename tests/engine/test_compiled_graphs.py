"""Which graph a step of decoding rows gets, and what flash attention is told of its rows."""

import pytest

pytest.importorskip("torch")

import torch

from serve_daemon.engine.compiled.graphs import fill, sizes_up_to
from serve_daemon.engine.compiled.sequences import NOWHERE, Piece, Sequence, pack
from serve_daemon.engine.kernels import cuda, reference
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling


def sequence(tokens: list[int], slot: int) -> Sequence:
    submit = Submit(slot, "r", tokens, 8, [], Sampling())
    made = Sequence(0, submit, 100)
    made.slot = slot
    return made


@pytest.mark.parametrize(
    ("most", "sizes"),
    [
        (1, [2]),
        (8, [2, 4, 8]),
        (32, [2, 4, 8, 16, 24, 32]),
        (128, [2, 4, 8, 16, 24, 32, 40, 48, 56, 64, 96, 128]),
    ],
)
def test_the_largest_batch_has_a_graph(most: int, sizes: list[int]) -> None:
    """And smaller ones have one that is not much larger."""
    assert sizes_up_to(most) == sizes


def test_rows_that_are_nowhere_fill_a_batch_up() -> None:
    """Every row is wanted, so that the graph has one form."""
    batch = fill(pack([Piece(sequence([5, 6], 3), 1, 2)]), 4)
    assert batch.slots.tolist() == [3, NOWHERE, NOWHERE, NOWHERE]
    assert batch.wanted.tolist() == [0, 1, 2, 3]


def test_only_steps_without_pieces_of_prompts_want_every_row() -> None:
    """Those are the ones that graphs are for."""
    whole, part = sequence([5, 6], 0), sequence([7, 8, 9], 1)
    assert pack([Piece(whole, 1, 2)]).is_every_row_wanted
    assert not pack([Piece(whole, 1, 2), Piece(part, 0, 2)]).is_every_row_wanted
    assert not pack([Piece(part, 0, 3)]).is_every_row_wanted


def test_each_token_sees_its_slot_up_to_itself() -> None:
    """As one sequence of the packed caches: where its keys begin, and how many there are."""
    slots, positions = torch.tensor([2, 0, NOWHERE]), torch.tensor([4, 0, 0])
    queries, keys, used = cuda.sequences(slots, positions, 10)
    assert queries.tolist() == [0, 1, 2, 3]
    assert keys.tolist()[:3] == [20, 0, 0]
    assert used.tolist() == [5, 1, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_flash_attention_agrees_with_the_reference() -> None:
    """On the rows that belong to a slot, with and without a window."""
    torch.manual_seed(0)
    keys, values = (
        torch.randn(3, 64, 2, 64, device="cuda", dtype=torch.bfloat16).transpose(1, 2)
        for _ in range(2)
    )
    query = torch.randn(4, 8, 64, device="cuda", dtype=torch.bfloat16)
    key, value = torch.randn(2, 4, 2, 64, device="cuda", dtype=torch.bfloat16)
    slots = torch.tensor([0, 2, 1, NOWHERE], device="cuda")
    positions = torch.tensor([40, 7, 0, 0], device="cuda")
    for window in (0, 16):
        rows = (query, key, value, keys, values, slots, positions, 0.125, window, 0.0)
        flash, plain = cuda.slot_attention(*rows), reference.slot_attention(*rows)
        assert torch.allclose(flash[:3], plain[:3], atol=2e-2, rtol=2e-2)
