"""Embeddings of a class of their own compute the same over a table in blocks."""

import pytest
import torch
from torch import nn
from transformers.models.gemma3.modeling_gemma3 import Gemma3TextScaledWordEmbedding
from transformers.models.opt.modeling_opt import OPTLearnedPositionalEmbedding

from engine.block_weights import packed_weight
from serve_daemon.engine.gguf.embedding import OwnEmbedding, is_row_by_row
from serve_daemon.engine.kernels import blocks
from serve_daemon.engine.kernels.block_layers import BlockEmbedding

ROWS, COLUMNS, SCALE = 40, 64, 8.0
LAYOUT = blocks.Layout.Q8_0


def pair() -> tuple[nn.Embedding, OwnEmbedding]:
    """Gemma's over a plain table, and over the same one in blocks."""
    packed = packed_weight(LAYOUT, ROWS, COLUMNS)
    plain, own = (Gemma3TextScaledWordEmbedding(ROWS, COLUMNS, 0, SCALE) for _ in range(2))
    plain.weight.data = blocks.unpack(packed, LAYOUT, ROWS, COLUMNS)
    table = BlockEmbedding(packed, LAYOUT, ROWS, COLUMNS, torch.float32)
    return plain, OwnEmbedding(table, own)


@pytest.mark.parametrize("ids", [[[3, 0, 39, 3]], [[1], [2]]])
def test_what_is_looked_up_is_scaled(ids: list[list[int]]) -> None:
    """By the module's own code; it has no table of its own."""
    plain, kept = pair()
    with torch.inference_mode():
        assert torch.equal(kept(torch.tensor(ids)), plain(torch.tensor(ids)))
    assert "weight" not in dict(kept.own.named_parameters())


def test_it_can_be_exported() -> None:
    """As engine compiled does it, for any number of ids."""
    plain, kept = pair()
    ids = torch.tensor([[3, 0, 39, 3]])
    shapes = ({1: torch.export.Dim("tokens", min=2, max=64)},)
    program = torch.export.export(kept, (ids,), dynamic_shapes=shapes, strict=False)
    longer = torch.tensor([[5, 6, 7, 8, 9, 10]])
    assert torch.equal(program.module()(longer), plain(longer))


def test_only_rows_may_matter() -> None:
    """What counts positions, or from another row, is no look-up of the ids alone."""
    assert is_row_by_row(nn.Embedding(ROWS, COLUMNS))
    assert is_row_by_row(Gemma3TextScaledWordEmbedding(ROWS, COLUMNS, 0, SCALE))
    assert not is_row_by_row(OPTLearnedPositionalEmbedding(ROWS, COLUMNS))
