"""From a GGUF file to a directory in the cache: with its weights in their blocks, or unpacked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct

from serve_daemon.config import gguf_header, kept_gguf
from serve_daemon.config.kept_gguf import DEQUANTIZE, KEEP
from serve_daemon.engine import convert, unused
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.gguf import folder, tokenizer
from serve_daemon.engine.gguf.names import CannotKeepError
from serve_daemon.wire.messages import EngineSpec, Reason

CONVERTED, PACKED = "converted", "packed"  # directories of the cache

log = structlog.get_logger()


class Gguf(Struct, frozen=True):
    """A file, and how it is computed with."""

    file: Path
    cache: Path
    device: str
    dtype: str


def directory(gguf: Gguf, spec: EngineSpec, announce: Callable[[], None]) -> Path:
    """The directory that the model is loaded from, made if need be, which `announce` tells.

    Raises `EngineError`.
    """
    if is_to_be_kept(gguf, spec):
        try:
            return _packed(gguf, announce)
        except CannotKeepError as error:
            if spec.gguf == KEEP:
                raise EngineError(Reason.CONFIG, f"gguf '{KEEP}': {error}") from error
            log.info("the weights are de-quantized", file=str(gguf.file), reason=str(error))
    return _converted(gguf, announce)


def is_to_be_kept(gguf: Gguf, spec: EngineSpec) -> bool:
    """Whether the weights stay in their blocks.

    Raises `EngineError` where they have to and can't.
    """
    if spec.gguf == DEQUANTIZE:
        return False
    on_cpu = gguf.device == "cpu"
    found = kept_gguf.hindrance(spec.engine, spec.quantization, gguf.dtype, on_cpu=on_cpu)
    if found is not None and spec.gguf == KEEP:
        raise EngineError(Reason.CONFIG, f"gguf: {found[1]}")
    if found is not None or not any(map(kept_gguf.packed_bytes, _tensors(gguf.file))):
        return False
    return spec.gguf == KEEP or _is_worth_it(gguf)


def _is_worth_it(gguf: Gguf) -> bool:
    """Whether this CPU multiplies by blocks faster than by what is unpacked."""
    from serve_daemon.engine.kernels import block_layers, build

    build.load(gguf.cache)
    if block_layers.is_fast():
        return True
    log.info("the weights are de-quantized: no operator multiplies by them on this CPU")
    return False


def _tensors(file: Path) -> list[gguf_header.GgufTensor]:
    try:
        return gguf_header.read(file).tensors
    except ValueError as error:
        raise EngineError(Reason.SOURCE, str(error)) from error


def _packed(gguf: Gguf, announce: Callable[[], None]) -> Path:
    target = folder.destination(gguf.file, gguf.cache / PACKED, gguf.dtype)
    if not target.exists():
        announce()
        words = partial(tokenizer.ready, gguf.file, gguf.cache)
        folder.make(gguf.file, target, gguf.dtype, words)
        unused.remove(unused.siblings(target))
    unused.note_use(target)
    return target


def _converted(gguf: Gguf, announce: Callable[[], None]) -> Path:
    target = convert.destination(gguf.file, gguf.cache / CONVERTED, gguf.dtype)
    if not target.exists():
        announce()
        words = tokenizer.ready(gguf.file, gguf.cache)
        convert.convert_in_child(gguf.file, target, gguf.dtype, words)
        unused.remove(unused.siblings(target))
    unused.note_use(target)
    return target
