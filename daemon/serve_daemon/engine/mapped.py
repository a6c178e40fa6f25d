"""Weights that are mapped from a file: what was read of them is given back.

Their pages count as ours though the kernel could drop them at any time, so a model whose weights
were quantized, converted or put into another order would seem to be there twice.
"""

import ctypes
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from serve_daemon.engine.maps import mappings

LARGE_BYTES = 64 * 1024

_libc = ctypes.CDLL(None)


class MappedFiles:
    """The files that this process has mapped for itself; nobody writes to a weight in one."""

    def __init__(self) -> None:
        self._ranges = [(each.begin, each.end) for each in mappings() if each.is_private]

    def let_go(self, tensor: torch.Tensor) -> None:
        """Have `tensor` take no memory until it is read again; one of no file stays as it is."""
        begin = -(-tensor.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
        end = (tensor.data_ptr() + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
        if begin < end and any(low <= begin and end <= high for low, high in self._ranges):
            pointer, length = ctypes.c_void_p(begin), ctypes.c_size_t(end - begin)
            _libc.madvise(pointer, length, mmap.MADV_DONTNEED)


class ReadOnce(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, large tensors of mapped files are let go as soon as they are used."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._files: MappedFiles | None = None

    def __torch_dispatch__(
        self,
        function: Any,
        _types: Sequence[type],
        arguments: Sequence[Any] = (),
        options: Mapping[str, Any] | None = None,
    ) -> Any:
        result = function(*arguments, **options or {})
        if not _is_view(function):
            for tensor in _large(arguments):
                # By the time that something is computed from them, all files are mapped.
                self._files = self._files or MappedFiles()
                self._files.let_go(tensor)
        return result


def _is_view(function: Callable[..., Any]) -> bool:
    """Whether the result is the same memory, which will be read through it."""
    schema = function._schema  # type: ignore[attr-defined] # noqa: SLF001 - it has no public name
    return any(value.alias_info is not None for value in schema.returns)


def _large(arguments: Sequence[Any]) -> Iterator[torch.Tensor]:
    for value in arguments:
        is_ours = isinstance(value, torch.Tensor) and value.device.type == "cpu"
        if is_ours and value.nbytes >= LARGE_BYTES:
            yield value
