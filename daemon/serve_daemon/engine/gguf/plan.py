"""What becomes of each tensor of a GGUF file: kept in its blocks, or de-quantized."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from msgspec import Struct
from torch import Tensor, nn

from serve_daemon.config import kept_gguf
from serve_daemon.config.gguf_header import GgufHeader, GgufTensor
from serve_daemon.engine.gguf import contents
from serve_daemon.engine.gguf.embedding import is_row_by_row
from serve_daemon.engine.gguf.empty import aliases
from serve_daemon.engine.gguf.names import CannotKeepError, Names
from serve_daemon.engine.kernels import blocks

WEIGHT = ".weight"
FLOATS = frozenset({0, 1, 30})  # F32, F16, BF16: of no blocks


class Block(Struct, frozen=True):
    """The weight of a module, kept in its blocks."""

    tensor: str  # its name in the packed file
    layout: int
    rows: int
    columns: int


class Item(Struct, frozen=True):
    """A tensor of the packed file, made when it is its turn."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    @property
    def bytes(self) -> int:
        return self.dtype.itemsize * torch.Size(self.shape).numel()


class Plan(Struct, frozen=True):
    items: list[Item]
    blocks: dict[str, Block]  # by the names of their modules
    ties: dict[str, str]  # parameters that are others, and not in blocks
    dequantized: list[str]  # tensors of the file that were in blocks


def of(gguf: Path, header: GgufHeader, model: Any, dtype: torch.dtype) -> Plan:
    """Of a file for `model`, which is empty, to compute in `dtype`.

    Raises `CannotKeepError` where the file has to be de-quantized as a whole.
    """
    names = Names(model, str(header.metadata.get("general.architecture")))
    subject = _Subject(gguf, model, dtype, names, aliases(model))
    plan = Plan([], {}, {}, [])
    for target, tensors in subject.sources(header).items():
        if (order := subject.order(target, tensors)) is not None:
            plan.items.append(subject.packed(target, tensors[0], order))
            plan.blocks.update(subject.blocks(target, tensors[0]))
        else:
            plan.items.append(subject.plain(target, tensors))
            plan.ties.update(subject.ties(target))
            plan.dequantized.extend(each.name for each in tensors if each.type not in FLOATS)
    return plan


class _Subject(Struct, frozen=True):
    gguf: Path
    model: Any
    dtype: torch.dtype
    names: Names
    aliases: dict[str, str]

    def sources(self, header: GgufHeader) -> dict[str, list[GgufTensor]]:
        """Of each parameter the tensors that it is made of; of tied ones the first has them."""
        found: dict[str, list[GgufTensor]] = {}
        for tensor in header.tensors:
            target = self.names.target(tensor)
            if target is not None and target not in self.aliases:
                found.setdefault(target, []).append(tensor)
        return found

    def order(self, target: str, tensors: list[GgufTensor]) -> Tensor | None:
        """Which row comes where; None for what is not kept in its blocks."""
        tensor = tensors[0]
        if len(tensors) > 1 or not kept_gguf.packed_bytes(tensor):
            return None
        if tensor.shape != tuple(self.model.get_parameter(target).shape):
            return None
        if not all(self._is_layer(name) for name in (target, *self.ties(target))):
            return None
        return self.names.rows(tensor)

    def packed(self, target: str, tensor: GgufTensor, order: Tensor) -> Item:
        rows, columns = tensor.shape

        def make() -> Tensor:
            content = contents.raw(self.gguf, tensor)[order]
            return blocks.pack(content, tensor.type, (rows, columns))[1]

        size = blocks.packed_bytes(tensor.type, rows, columns)
        return Item(_packed_name(target), torch.uint8, (size,), make)

    def blocks(self, target: str, tensor: GgufTensor) -> Iterator[tuple[str, Block]]:
        """Of all modules that share the weight."""
        for name in (target, *self.ties(target)):
            yield (
                name.removesuffix(WEIGHT),
                Block(_packed_name(target), tensor.type, *tensor.shape),
            )

    def plain(self, target: str, tensors: list[GgufTensor]) -> Item:
        shape = tuple(self.model.get_parameter_or_buffer(target).shape)

        def make() -> Tensor:
            read = [(each.name, contents.values(self.gguf, each)) for each in tensors]
            values = self.names.values(target, read).to(self.dtype)
            if tuple(values.shape) != shape:
                raise CannotKeepError(f"{target} is {shape}, and the file has {values.shape}")
            return values

        return Item(target, self.dtype, shape, make)

    def ties(self, target: str) -> dict[str, str]:
        """The other names of the parameter."""
        return {name: first for name, first in self.aliases.items() if first == target}

    def _is_layer(self, target: str) -> bool:
        """Whether it is the weight of a layer that computes with blocks."""
        if not target.endswith(WEIGHT):
            return False
        module = self.model.get_submodule(target.removesuffix(WEIGHT))
        if isinstance(module, nn.Embedding):
            return is_row_by_row(module)
        return type(module) is nn.Linear  # those of subclasses compute something else


def _packed_name(target: str) -> str:
    return f"{target.removesuffix(WEIGHT)}.packed_weight"
