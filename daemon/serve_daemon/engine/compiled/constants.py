"""Where the constants of a step lie in files, so that they can be taken from there the next time.

Most are mapped from the checkpoint, or from what was made of it, and are found where they are; the
others are written into a file of their own.
"""

import math
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from msgspec import Struct

from serve_daemon.engine import maps

ALIGNMENT = 64  # bytes: a line of the processor's caches

Tensors = Mapping[str, torch.Tensor]


class Place(Struct, frozen=True):
    """A contiguous tensor in a file."""

    file: str
    offset: int  # bytes
    dtype: str
    shape: list[int]


def find(tensors: Tensors) -> dict[str, Place]:
    """The places of those `tensors` that are mapped from files, by their names."""
    mapped = [
        each for each in maps.mappings() if each.file.is_file()
    ]  # else it was removed meanwhile
    places = {name: _place(tensor, mapped) for name, tensor in tensors.items()}
    return {name: place for name, place in places.items() if place is not None}


def unchanged(places: Mapping[str, Place], tensors: Tensors) -> dict[str, Place]:
    """Those of `places` that hold their tensors' bits: a private mapping may be written to."""
    stored = read(places)
    return {name: places[name] for name in places if _same(stored[name], tensors[name])}


def write(tensors: Tensors, target: Path) -> dict[str, Place]:
    """Write `tensors` to the file `target`, each memory once; their places by their names.

    The file appears whole or not at all.
    """
    written: dict[tuple[object, ...], Place] = {}
    places = {}
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("wb") as file:
        for name, tensor in tensors.items():
            key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
            if key not in written:
                file.write(bytes(-file.tell() % ALIGNMENT))
                written[key] = _described(tensor, str(target), file.tell())
                _bytes(tensor).numpy().tofile(file)
            places[name] = written[key]
    partial.rename(target)
    return places


def read(places: Mapping[str, Place]) -> dict[str, torch.Tensor]:
    """Map the tensors at `places`: they take memory as they are used, and share it.

    Raises `OSError` where a file is gone, `ValueError` where it is too short.
    """
    files = {each: _mapped(each) for each in files_of(places.values())}
    return {name: _tensor(place, files[place.file]) for name, place in places.items()}


def files_of(places: Iterable[Place]) -> list[str]:
    return sorted({place.file for place in places})


def nbytes(tensors: Iterable[torch.Tensor]) -> int:
    """Of all of them together, each memory once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def _place(tensor: torch.Tensor, mapped: Iterable[maps.Mapping]) -> Place | None:
    begin, end = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
    for each in mapped:
        if tensor.nbytes and tensor.is_contiguous() and each.begin <= begin and end <= each.end:
            return _described(tensor, str(each.file), begin - each.begin + each.offset)
    return None


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether they have the same bits."""
    return torch.equal(_bytes(one), _bytes(other))


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().flatten().view(torch.uint8)


def _described(tensor: torch.Tensor, file: str, offset: int) -> Place:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Place(file, offset, dtype, list(tensor.shape))


def _mapped(file: str) -> mmap.mmap:
    """Privately, for torch takes no memory that can't be written."""
    with Path(file).open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)


def _tensor(place: Place, memory: mmap.mmap) -> torch.Tensor:
    dtype, count = getattr(torch, place.dtype), math.prod(place.shape)
    if not count:
        return torch.empty(place.shape, dtype=dtype)
    flat = torch.frombuffer(memory, dtype=dtype, count=count, offset=place.offset)
    return flat.view(place.shape)
