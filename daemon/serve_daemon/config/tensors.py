"""The tensors of a checkpoint, as its headers tell: nothing of their values is read."""

import json
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config import gguf_header, kept_gguf
from serve_daemon.config.sources import GGUF_SUFFIX

INDEX = "model.safetensors.index.json"
LARGEST_HEADER_BYTES = 100 * 1024 * 1024  # what the library of the format takes
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}  # as a config names them


class Tensor(Struct, frozen=True):
    name: str
    shape: tuple[int, ...]
    dtype: str  # as safetensors call it
    bytes: int
    kept_bytes: int = 0  # in the blocks of a GGUF file; 0 where it isn't kept in them

    @property
    def values(self) -> int:
        return math.prod(self.shape)


def tensors_of(checkpoint: Path) -> list[Tensor]:
    """Of a .gguf file, as unpacked; or of the safetensors in a directory, as they are stored.

    Raises `OSError` where they can't be read, and `ValueError` for what is of no such format.
    """
    if checkpoint.suffix == GGUF_SUFFIX:
        return [_unpacked(each) for each in gguf_header.read(checkpoint).tensors]
    return [tensor for file in _files(checkpoint) for tensor in _safetensors(file)]


def dtype_of(tensors: Iterable[Tensor]) -> str:
    """The type of the largest, as a config names it; "" where that is none of a model's."""
    largest = max(tensors, key=lambda tensor: tensor.bytes, default=None)
    return DTYPES.get(largest.dtype, "") if largest is not None else ""


def _safetensors(file: Path) -> list[Tensor]:
    """What was read once is kept until the file changes."""
    status = file.stat()
    return _read(str(file.resolve()), status.st_size, status.st_mtime_ns)


def _unpacked(tensor: gguf_header.GgufTensor) -> Tensor:
    unpacked = 4 * math.prod(tensor.shape)
    return Tensor(tensor.name, tensor.shape, "F32", unpacked, kept_gguf.packed_bytes(tensor))


def _files(folder: Path) -> list[Path]:
    """Those that Transformers would read."""
    if names := shards(folder):
        return [folder / name for name in names]
    whole = folder / "model.safetensors"
    return [whole] if whole.is_file() else sorted(folder.glob("*.safetensors"))


def shards(folder: Path) -> list[str]:
    """The files that the index in `folder` spreads the weights over; none where there is none."""
    index = folder / INDEX
    if not index.is_file():
        return []
    return sorted(set(json.loads(index.read_bytes())["weight_map"].values()))


@lru_cache(maxsize=256)
def _read(file: str, _size: int, _modified_ns: int) -> list[Tensor]:
    """The format: 8 bytes say how long the JSON is that follows, which says where what lies."""
    with open(file, "rb") as opened:  # noqa: PTH123 - a string is what can be cached by
        length = int.from_bytes(opened.read(8), "little")
        if length > LARGEST_HEADER_BYTES:
            raise ValueError(f"{file} is no file of safetensors")
        header = json.loads(opened.read(length))
    return [_tensor(name, header[name]) for name in header if name != "__metadata__"]


def _tensor(name: str, entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    return Tensor(name, tuple(entry["shape"]), entry["dtype"], end - begin)
