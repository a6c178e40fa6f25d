"""The directory in the cache with all that is needed to serve a GGUF file as it is.

It has what Transformers and a gateway read of any model, and in the place of weights the packed
ones with a description of where they belong. It appears whole or not at all, and is found by all
that it depends on.
"""

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct

from serve_daemon.config import gguf_header
from serve_daemon.engine.gguf.identity import named
from serve_daemon.engine.gguf.plan import Block
from serve_daemon.engine.kernels import blocks
from serve_daemon.engine.locks import make_once

FORMAT_VERSION = 1  # raise it when what is written changes
DESCRIPTION = "blocks.json"

log = structlog.get_logger()


class Described(Struct, frozen=True):
    """See `plan.Plan`."""

    dtype: str  # that it computes in, as torch names it
    blocks: dict[str, Block]
    ties: dict[str, str]


def destination(gguf: Path, cache: Path, dtype: str) -> Path:
    """The directory that `gguf` is, or will be, packed into, to compute in `dtype`."""
    versions = [f"{name} {version(name)}" for name in ("transformers", "gguf")]
    return cache / named(gguf, str(FORMAT_VERSION), str(blocks.LAYOUT_VERSION), dtype, *versions)


def is_packed(folder: Path) -> bool:
    """Whether `folder` is one of these."""
    return (folder / DESCRIPTION).is_file()


def described(folder: Path) -> Described:
    return msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=Described)


def make(gguf: Path, target: Path, dtype: str, tokenizer: Callable[[], Path]) -> None:
    """Make the directory `target` of `gguf` and of the files in the directory of its tokenizer.

    That is asked for last: it may be in the making meanwhile.
    Raises `CannotKeepError` where the weights can't stay in their blocks, and `ValueError` for an
    architecture that Transformers doesn't know.
    """
    make_once(target, lambda folder: _write(gguf, folder, dtype, tokenizer))


def _write(gguf: Path, folder: Path, dtype: str, tokenizer: Callable[[], Path]) -> None:
    import torch

    from serve_daemon.engine.gguf import empty, outline, packed_file, plan

    header = gguf_header.read(gguf)
    config = outline.config_of(gguf, folder)
    config.dtype = dtype
    model = empty.model_of(config, getattr(torch, dtype))
    planned = plan.of(gguf, header, model, getattr(torch, dtype))
    packed_file.write(planned.items, folder / packed_file.NAME)
    text = msgspec.json.encode(Described(dtype, planned.blocks, planned.ties))
    (folder / DESCRIPTION).write_bytes(text)
    model.config.save_pretrained(folder)
    if model.generation_config is not None:
        model.generation_config.save_pretrained(folder)
    shutil.copytree(tokenizer(), folder, dirs_exist_ok=True)
    log.info(
        "the weights are kept in their blocks",
        weights=len(planned.blocks),
        dequantized=len(planned.dequantized),
        file=str(gguf),
    )
