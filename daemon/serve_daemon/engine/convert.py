"""GGUF files turned into safetensors, tokenizer.json and configs: once, then kept in the cache."""

import copy
import hashlib
import shutil
from pathlib import Path
from typing import Any

from serve_daemon.engine.locks import locked

CONVERTER_VERSION = 1  # raise it when what is written changes
MAX_SHARD_SIZE = "5GB"


def key(identity: str, size: int, modified_ns: int, dtype: str) -> str:
    """What tells one conversion from another."""
    text = f"{CONVERTER_VERSION}\n{identity}\n{size}\n{modified_ns}\n{dtype}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def destination(gguf: Path, cache: Path, dtype: str) -> Path:
    """The directory that the conversion of `gguf` is, or will be, in."""
    real = gguf.resolve()
    status = real.stat()
    return cache / f"{gguf.stem}-{key(str(real), status.st_size, status.st_mtime_ns, dtype)}"


def convert(gguf: Path, target: Path, dtype: str) -> None:
    """Make `target` from `gguf`; several processes may ask for it at once.

    The directory appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)  # of a process that died here
        partial.mkdir()
        _write(gguf, partial, dtype)
        partial.rename(target)


def _write(gguf: Path, target: Path, dtype: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, name = str(gguf.parent), gguf.name
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=getattr(torch, dtype), **_dequantized()
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
