"""GGUF files turned into safetensors, tokenizer.json and configs: once, then kept in the cache.

As a program it is a child of the engine that needs the files, so that what it takes of memory is
given back, to the last byte, before the model is loaded.
"""

import copy
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from serve_daemon.engine.death import die_with_parent
from serve_daemon.engine.errors import EngineError, classify
from serve_daemon.engine.locks import locked
from serve_daemon.wire.messages import Reason

CONVERTER_VERSION = 1  # raise it when what is written changes
MAX_SHARD_SIZE = "5GB"
PROGRAM = "serve_daemon.engine.convert"


class Order(Struct, frozen=True):
    """What to convert, as the engine writes it to this program's stdin."""

    gguf: str
    target: str
    dtype: str


class Failure(Struct, frozen=True):
    """Why it can't be converted, as this program writes it to its stdout."""

    reason: Reason
    message: str


def key(identity: str, size: int, modified_ns: int, dtype: str) -> str:
    """What tells one conversion from another."""
    text = f"{CONVERTER_VERSION}\n{identity}\n{size}\n{modified_ns}\n{dtype}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def destination(gguf: Path, cache: Path, dtype: str) -> Path:
    """The directory that the conversion of `gguf` is, or will be, in."""
    real = gguf.resolve()
    status = real.stat()
    return cache / f"{gguf.stem}-{key(str(real), status.st_size, status.st_mtime_ns, dtype)}"


def convert_in_child(gguf: Path, target: Path, dtype: str) -> None:
    """Have a child process make `target` from `gguf`.

    Raises `EngineError` where it fails.
    """
    ended = subprocess.run(
        [sys.executable, "-m", PROGRAM],
        input=msgspec.json.encode(Order(str(gguf), str(target), dtype)),
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode == 1 and ended.stdout:
        failure = msgspec.json.decode(ended.stdout, type=Failure)
        raise EngineError(failure.reason, failure.message)
    if ended.returncode:
        raise EngineError(
            Reason.INTERNAL, f"the conversion of {gguf} ended with status {ended.returncode}"
        )


def main() -> int:
    die_with_parent()
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        convert(Path(order.gguf), Path(order.target), order.dtype)
    except Exception as error:  # noqa: BLE001 - told to the engine, which says it on
        failure = classify(error)
        told = Failure(failure.reason, failure.message)
        sys.stdout.buffer.write(msgspec.json.encode(told))
        return 1
    return 0


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


if __name__ == "__main__":
    sys.exit(main())
