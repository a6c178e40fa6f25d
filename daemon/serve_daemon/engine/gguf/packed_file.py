"""The file of safetensors that the weights are packed into, one after the other."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from serve_daemon.engine.gguf.plan import Item

NAME = "packed.safetensors"
ALIGNMENT = 64  # bytes: a line of the processor's caches
DTYPES = {
    torch.uint8: "U8",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
}


def write(items: Sequence[Item], target: Path) -> None:
    """Make one of `items` at a time and write it: no two are in memory at once.

    Those of a multiple of 64 bytes come first, so each of them begins at one.
    """
    ordered = sorted(items, key=lambda item: item.bytes % ALIGNMENT != 0)
    with target.open("wb") as file:
        file.write(_header(ordered))
        for item in ordered:
            made = item.make().contiguous()
            if (made.dtype, tuple(made.shape)) != (item.dtype, item.shape):
                raise RuntimeError(f"{item.name} is {made.dtype} {made.shape}, unlike its plan")
            made.flatten().view(torch.uint8).numpy().tofile(file)


def read(file: Path) -> dict[str, Tensor]:
    """All tensors of `file`, mapped: they take memory as they are used, and share it."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no dict


def _header(items: Iterable[Item]) -> bytes:
    """See https://huggingface.co/docs/safetensors: spaces at its end are allowed."""
    described, offset = {}, 0
    for item in items:
        offsets = [offset, offset + item.bytes]
        entry = {"dtype": DTYPES[item.dtype], "shape": item.shape, "data_offsets": offsets}
        described[item.name] = entry
        offset = offsets[1]
    text = json.dumps({"__metadata__": {"format": "pt"}} | described).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
