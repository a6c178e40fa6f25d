"""The tokenizer of a GGUF file as a gateway reads it: made once, by a child process.

An engine has it begun before it imports torch, so that it is there when the weights are.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from serve_daemon.engine.child import Child, run
from serve_daemon.engine.gguf.identity import named
from serve_daemon.engine.locks import make_once

FORMAT_VERSION = 1  # raise it when what is written changes
PROGRAM = "serve_daemon.engine.gguf.tokenizer"

_begun: dict[Path, Child] = {}


class Order(Struct, frozen=True):
    """As the engine writes it to this program's stdin."""

    gguf: str
    target: str


def destination(gguf: Path, cache: Path) -> Path:
    """The directory that the tokenizer's files are, or will be, in."""
    details = [f"{name} {version(name)}" for name in ("transformers", "tokenizers")]
    return cache / "tokenizers" / named(gguf, str(FORMAT_VERSION), *details)


def begin(gguf: Path, cache: Path) -> None:
    """Have the tokenizer made, unless it is there or being made; returns at once."""
    target = destination(gguf, cache)
    if not target.exists() and target not in _begun:
        _begun[target] = Child(PROGRAM, Order(str(gguf), str(target)))


def ready(gguf: Path, cache: Path) -> Path:
    """The directory with the tokenizer, when it is there. Raises `EngineError`."""
    begin(gguf, cache)
    target = destination(gguf, cache)
    if target in _begun:
        _begun.pop(target).wait()
    return target


def write(gguf: Path, folder: Path) -> None:
    """What `AutoTokenizer` makes of `gguf`, into `folder`."""
    from serve_daemon.engine.gguf import outline

    tokenizer_class = _class(outline.config_of(gguf, folder))
    tokenizer = tokenizer_class.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    tokenizer.save_pretrained(folder)


def _class(config: Any) -> Any:
    """The one that `AutoTokenizer` would find, which reads the whole file in order to do so."""
    from transformers import TOKENIZER_MAPPING, AutoTokenizer, PreTrainedTokenizerFast

    found = TOKENIZER_MAPPING.get(type(config), PreTrainedTokenizerFast)
    is_told = bool(getattr(config, "tokenizer_class", None))
    return found if not is_told and issubclass(found, PreTrainedTokenizerFast) else AutoTokenizer


def _work(text: bytes) -> None:
    order = msgspec.json.decode(text, type=Order)
    make_once(Path(order.target), lambda folder: write(Path(order.gguf), folder))


if __name__ == "__main__":
    sys.exit(run(_work))
