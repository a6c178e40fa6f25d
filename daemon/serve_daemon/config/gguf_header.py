"""The beginning of a GGUF file: what it says of the model, and of each tensor but its values.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
LONGEST_KEPT = 1024  # of an array; of longer ones, such as a vocabulary, the length is enough
ALIGNMENT, USUAL_ALIGNMENT = "general.alignment", 32  # of values, in bytes


class GgufTensor(Struct, frozen=True):
    name: str
    shape: tuple[int, ...]  # the outermost dimension first
    type: int  # its number in ggml
    offset: int  # bytes, of its values in the file


class Length(Struct, frozen=True):
    """What stands for an array that is too long to be kept."""

    count: int


class Part(Struct, frozen=True):
    """Some bytes of the file."""

    begin: int
    end: int


class GgufHeader(Struct, frozen=True):
    metadata: dict[str, Any]
    tensors: list[GgufTensor]
    entries: dict[str, Part]  # where each entry of the metadata is, its name included
    table: Part  # of what there is to know of the tensors


def read(file: Path) -> GgufHeader:
    """The header of `file`; what was read once is kept until the file changes.

    Raises `OSError` where it can't be read, and `ValueError` where it is no GGUF file.
    """
    status = file.stat()
    return _read(str(file.resolve()), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read(file: str, _size: int, _modified_ns: int) -> GgufHeader:
    with (
        open(file, "rb") as opened,  # noqa: PTH123 - a string is what can be cached by
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        try:
            return _parse(_Reader(content), file)
        except (struct.error, UnicodeDecodeError) as error:
            raise ValueError(f"{file} ends within its header, or is damaged") from error


def _parse(reader: "_Reader", file: str) -> GgufHeader:
    if reader.bytes(4) != MAGIC or reader.scalar("I") not in VERSIONS:
        raise ValueError(f"{file} is no GGUF file of a version that is known here")
    num_tensors, num_entries = reader.scalar("Q"), reader.scalar("Q")
    metadata, entries = {}, {}
    for _ in range(num_entries):
        begin = reader.offset
        name = reader.string()
        metadata[name] = reader.value(reader.scalar("I"))
        entries[name] = Part(begin, reader.offset)
    begin = reader.offset
    tensors = [_tensor(reader) for _ in range(num_tensors)]
    table = Part(begin, reader.offset)
    values = table.end + -table.end % metadata.get(ALIGNMENT, USUAL_ALIGNMENT)
    tensors = [structs.replace(each, offset=values + each.offset) for each in tensors]
    return GgufHeader(metadata, tensors, entries, table)


def _tensor(reader: "_Reader") -> GgufTensor:
    """Its offset is from where the values of all begin."""
    name = reader.string()
    innermost_first = [reader.scalar("Q") for _ in range(reader.scalar("I"))]
    return GgufTensor(
        name, tuple(reversed(innermost_first)), reader.scalar("I"), reader.scalar("Q")
    )


class _Reader:
    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._offset = 0

    @property
    def offset(self) -> int:
        return self._offset

    def bytes(self, count: int) -> bytes:
        self._offset += count
        return self._content[self._offset - count : self._offset]

    def scalar(self, letter: str) -> Any:
        (value,) = struct.unpack_from(f"<{letter}", self._content, self._offset)
        self._offset += struct.calcsize(f"<{letter}")
        return value

    def string(self) -> str:
        return self.bytes(self.scalar("Q")).decode()

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            return self._array(self.scalar("I"), self.scalar("Q"))
        if kind not in SCALARS:
            raise ValueError(f"a value of the unknown type {kind} in the header of a GGUF file")
        return self.scalar(SCALARS[kind])

    def _array(self, kind: int, count: int) -> Any:
        if count <= LONGEST_KEPT:
            return [self.value(kind) for _ in range(count)]
        if kind == STRING:
            self._skip_strings(count)
        elif kind in SCALARS:
            self._offset += count * struct.calcsize(f"<{SCALARS[kind]}")
        else:
            raise ValueError("a long array of arrays in the header of a GGUF file")
        return Length(count)

    def _skip_strings(self, count: int) -> None:
        """There are hundreds of thousands: tokens, and how they are merged."""
        length_of, content, offset = struct.Struct("<Q").unpack_from, self._content, self._offset
        for _ in range(count):
            offset += 8 + length_of(content, offset)[0]
        self._offset = offset
