"""A Transformers model over weights that are kept in their blocks, mapped from the packed file."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.gguf import empty, folder, packed_file
from serve_daemon.engine.gguf.embedding import OwnEmbedding
from serve_daemon.engine.gguf.plan import Block
from serve_daemon.engine.kernels.block_layers import BlockEmbedding, BlockHead, BlockLinear
from serve_daemon.wire.messages import Reason

BIAS = "bias"


def load(directory: Path, options: dict[str, Any]) -> Any:
    """The model that `folder.make` has packed into `directory`; `options` are `from_config`'s.

    Raises `EngineError` where a weight is missing.
    """
    from transformers import AutoConfig, GenerationConfig

    described = folder.described(directory)
    dtype = getattr(torch, described.dtype)
    model = empty.model_of(AutoConfig.from_pretrained(directory), dtype, options)
    tensors = packed_file.read(directory / packed_file.NAME)
    head = model.get_output_embeddings()
    for name, block in described.blocks.items():
        bias = tensors.get(f"{name}.{BIAS}")
        module = model.get_submodule(name)
        make = _head if module is head else _layer
        model.set_submodule(name, make(module, block, tensors[block.tensor], bias, dtype))
    plain = {name: each for name, each in tensors.items() if _is_plain(model, name)}
    plain |= {name: plain[first] for name, first in described.ties.items()}
    _assign(model, plain)
    _check_complete(model, directory)
    if (directory / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(directory)
    return model


def _layer(
    module: nn.Module, block: Block, packed: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> nn.Module:
    """What computes as `module` does, with a weight that is in blocks."""
    if not isinstance(module, nn.Embedding):
        return BlockLinear(packed, bias, block.layout, block.columns, block.rows)
    table = BlockEmbedding(packed, block.layout, block.rows, block.columns, dtype)
    return table if type(module) is nn.Embedding else OwnEmbedding(table, module)


def _head(
    _module: nn.Module, block: Block, packed: Tensor, bias: Tensor | None, _dtype: torch.dtype
) -> nn.Module:
    """What makes logits as `_module` does."""
    return BlockHead(packed, bias, block.layout, block.columns, block.rows)


def _is_plain(model: nn.Module, name: str) -> bool:
    """Whether no layer over blocks has taken the tensor `name` already."""
    owner = name.rpartition(".")[0]
    return not isinstance(model.get_submodule(owner), BlockLinear | BlockEmbedding | OwnEmbedding)


def _assign(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put `tensors` in the place of the parameters and buffers of their names."""
    shared: dict[int, nn.Parameter] = {}
    for name, tensor in tensors.items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        if leaf in module._parameters:  # noqa: SLF001 - as nn.Module.load_state_dict does
            parameter = nn.Parameter(tensor, requires_grad=False)
            setattr(module, leaf, shared.setdefault(id(tensor), parameter))
        else:
            setattr(module, leaf, tensor)


def _check_complete(model: nn.Module, directory: Path) -> None:
    missing = [name for name, each in model.named_parameters() if each.is_meta]
    if missing:
        raise EngineError(
            Reason.SOURCE,
            f"the GGUF file of {directory} lacks {len(missing)} of the model's weights, such as"
            f" {missing[0]}",
        )
