"""GGUF files turned into safetensors, tokenizer.json and configs: once, then kept in the cache.

As a program it is a child of the engine that needs the files, so that what it takes of memory is
given back, to the last byte, before the model is loaded.
"""

import copy
import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from serve_daemon.engine.child import Child, run
from serve_daemon.engine.gguf.identity import named
from serve_daemon.engine.locks import make_once

CONVERTER_VERSION = 1  # raise it when what is written changes
MAX_SHARD_SIZE = "5GB"
PROGRAM = "serve_daemon.engine.convert"


class Order(Struct, frozen=True):
    """What to convert, as the engine writes it to this program's stdin."""

    gguf: str
    target: str
    dtype: str
    tokenizer: str  # the directory with its files


def destination(gguf: Path, cache: Path, dtype: str) -> Path:
    """The directory that the conversion of `gguf` is, or will be, in."""
    return cache / named(gguf, str(CONVERTER_VERSION), dtype)


def convert_in_child(gguf: Path, target: Path, dtype: str, tokenizer: Path) -> None:
    """Have a child process make `target` from `gguf` and the files in `tokenizer`.

    Raises `EngineError` where it fails.
    """
    Child(PROGRAM, Order(str(gguf), str(target), dtype, str(tokenizer))).wait()


def convert(gguf: Path, target: Path, dtype: str, tokenizer: Path) -> None:
    """Make `target` from `gguf` and the files in `tokenizer`, unless it is there."""
    make_once(target, lambda folder: _write(gguf, folder, dtype, tokenizer))


def _write(gguf: Path, target: Path, dtype: str, tokenizer: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(tokenizer, target, dirs_exist_ok=True)
    model = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=getattr(torch, dtype), **_dequantized()
    )
    _plain(model).save_pretrained(target, max_shard_size=MAX_SHARD_SIZE)


def _dequantized() -> dict[str, Any]:
    """The argument that unpacks the weights, for the versions that would leave them packed."""
    try:
        from transformers import GgufConfig
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def _plain(model: Any) -> Any:
    """The same model without the mark of GGUF, with which it would refuse to be saved."""
    import torch

    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain


def _work(text: bytes) -> None:
    order = msgspec.json.decode(text, type=Order)
    convert(Path(order.gguf), Path(order.target), order.dtype, Path(order.tokenizer))


if __name__ == "__main__":
    sys.exit(run(_work))
