"""The formats of block-quantized weights: what a GGUF file holds is packed and comes back."""

import pytest
import torch
from gguf.constants import GGMLQuantizationType
from gguf.quants import dequantize

from engine.block_weights import raw_weight
from serve_daemon.config import kept_gguf
from serve_daemon.config.gguf_header import GgufTensor
from serve_daemon.engine.kernels import block_operators, blocks
from serve_daemon.engine.kernels.gguf_blocks import BLOCK_TYPES

SHAPES = [(1, 256), (31, 512), (32, 256), (33, 768), (200, 1024), (4096, 2048)]


@pytest.mark.parametrize("layout", BLOCK_TYPES)
@pytest.mark.parametrize(("rows", "columns"), SHAPES)
def test_packing_loses_nothing(layout: int, rows: int, columns: int) -> None:
    """Every number is the one that the package `gguf` makes of the same bytes."""
    raw = raw_weight(layout, rows, columns)
    wanted = torch.from_numpy(dequantize(raw.numpy(), GGMLQuantizationType(layout)))
    found, packed = blocks.pack(raw, layout, (rows, columns))
    assert found == layout
    assert packed.numel() == blocks.packed_bytes(layout, rows, columns)
    assert packed.numel() == kept_gguf.packed_bytes(GgufTensor("", (rows, columns), layout, 0))
    assert torch.equal(blocks.dequantize(raw, layout, (rows, columns)), wanted)
    assert torch.equal(blocks.unpack(packed, found, rows, columns), wanted)


@pytest.mark.parametrize("layout", BLOCK_TYPES)
def test_packed_weights_take_what_the_file_does(layout: int) -> None:
    """To a twentieth: every load of them is time."""
    raw = raw_weight(layout, 64, 2048)
    assert blocks.packed_bytes(layout, 64, 2048) <= raw.numel() * 1.05


@pytest.mark.parametrize("layout", [blocks.Layout.Q4_1, blocks.Layout.Q6_K])
def test_an_embedding_takes_out_rows(layout: int) -> None:
    """De-quantized exactly, then rounded to the type asked for."""
    raw = raw_weight(layout, 70, 256)
    packed = blocks.pack(raw, layout, (70, 256))[1]
    ids = torch.tensor([[0, 69], [32, 31]])
    table = blocks.dequantize(raw, layout, (70, 256))
    for dtype in (torch.float32, torch.bfloat16):
        vectors = block_operators.block_embedding(ids, packed, layout, 70, 256, dtype)
        assert torch.equal(vectors, table[ids].to(dtype))


def test_other_types_and_sizes_are_refused_by_name() -> None:
    """What is no such tensor can't be packed."""
    raw = torch.zeros(100, dtype=torch.uint8)
    with pytest.raises(ValueError, match="type 10 is none of Q4_0"):
        blocks.pack(raw, 10, (1, 32))
    with pytest.raises(ValueError, match=r"\[2, 48\] can't be Q8_0"):
        blocks.pack(raw, blocks.Layout.Q8_0, (2, 48))
    with pytest.raises(ValueError, match=r"Q4_1 \[4, 32\] is 80 bytes, not 100"):
        blocks.pack(raw, blocks.Layout.Q4_1, (4, 32))
