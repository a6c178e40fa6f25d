"""What was read of mapped weights is given back, and is still there to be read."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from serve_daemon.engine import heap
from serve_daemon.engine.mapped import MappedFiles, ReadOnce

MIB = 1024 * 1024
ROWS = 32


def resident(kind: str) -> int:
    """Bytes of this process, as /proc/self/status has them."""
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[kind].split()[0]) * 1024


@pytest.fixture
def mapped(tmp_path: Path) -> Iterator[torch.Tensor]:
    """32 MiB of a file, all of which were read."""
    weight = torch.arange(ROWS * MIB // 4, dtype=torch.int32).view(torch.float32).view(ROWS, -1)
    save_file({"weight": weight}, tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        tensor = file.get_tensor("weight")
        assert torch.equal(tensor.view(torch.int32), weight.view(torch.int32))
        yield tensor


def test_mapped_weights_are_let_go(mapped: torch.Tensor) -> None:
    """Only their memory: the values come back when they are looked at."""
    last = mapped.view(torch.int32)[-1, -1].item()
    before = resident("RssFile")
    MappedFiles().let_go(mapped)
    assert resident("RssFile") <= before - 24 * MIB
    assert mapped.view(torch.int32)[-1, -1].item() == last == ROWS * MIB // 4 - 1


def test_other_weights_stay() -> None:
    """What no file holds would be lost."""
    tensor = torch.ones(4 * MIB)
    MappedFiles().let_go(tensor)
    assert tensor.sum() == tensor.numel()


def test_a_weight_is_let_go_once_it_was_converted(mapped: torch.Tensor) -> None:
    """A view of it changes nothing: it is read later."""
    mapped.sum()
    before = resident("RssFile")
    with ReadOnce():
        view = mapped.view(-1)
        assert resident("RssFile") > before - MIB
        view.to(torch.float64)
    assert resident("RssFile") <= before - 24 * MIB


def test_freed_memory_is_returned() -> None:
    """In whatever order: what is still in use keeps none of it."""
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("the C library is not glibc")
    before = resident("RssAnon")
    with heap.returned_at_once():
        blocks = [torch.ones(MIB // 4) for _ in range(64)]
        kept = blocks[::8]
        del blocks
        assert resident("RssAnon") < before + 12 * MIB
    assert sum(block.numel() for block in kept) == 8 * MIB // 4
