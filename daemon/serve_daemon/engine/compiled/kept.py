"""What is kept of a model, so that the next start needs neither it nor Transformers.

Beside the package with the code of its step lies a description of all else: what the engine has to
know of it, and where in which file each constant is. It is found by everything that it depends on
and that is known without the model; one that does not fit is removed, and the model is loaded.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import structlog
import torch
from msgspec import Struct

from serve_daemon.engine import unused
from serve_daemon.engine.compiled import constants, package
from serve_daemon.engine.compiled.caches import Caches
from serve_daemon.engine.compiled.constants import Place, Tensors
from serve_daemon.engine.compiled.protocol import Compiler, Decoder
from serve_daemon.engine.compiled.step import Compute, compute
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.locks import locked
from serve_daemon.wire.messages import EngineSpec

FORMAT_VERSION = 1  # raise it when what is written changes
DESCRIPTION, CONSTANTS, LOCK = ".json", ".constants", "kept.lock"
# What does not change how a token is computed.
NEUTRAL = frozenset(
    {
        *("model", "source", "max_requests", "max_context", "max_batch_tokens"),
        *("kv_cache_memory", "allow_block_sharing", "batching"),
    }
)
# Of constants that lie in no file, such as weights in another order. A copy of more is not worth
# its room: loading such a model takes longer than the imports that are saved.
MOST_WRITTEN_BYTES = 1024**3

log = structlog.get_logger()


class Stamp(Struct, frozen=True):
    """A file as it was."""

    size: int
    modified_ns: int


class Description(Struct, frozen=True):
    decoder: Decoder
    package: str  # its file, beside this one
    places: dict[str, Place]  # of the constants, by their names in a step
    stamps: dict[str, Stamp]  # of the files that they are in


class Kept(Struct, frozen=True):
    """See `protocol.StepSource`."""

    decoder: Decoder
    code: package.Code
    constants: Tensors

    def compiler(self, made: Caches) -> Compiler:
        forward = self.code.with_tensors({**self.constants, **made})
        log.info("compiled step in use", package=str(self.code.file))
        return _Packaged(partial(compute, forward, device="cpu"))


class _Packaged:
    """See `protocol.Compiler`."""

    is_compiling = False

    def __init__(self, compute: Compute) -> None:
        self._compute = compute

    def compute(self) -> Compute:
        return self._compute

    def improve(self, use: Callable[[Compute], None]) -> None:
        """There is nothing better than a package."""


def find(loaded: Loaded, spec: EngineSpec) -> Kept | None:
    """What an earlier start has kept of the model of `spec`, if it fits."""
    file = file_for(loaded, spec)
    try:
        return _read(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RuntimeError, msgspec.DecodeError) as error:
        log.warning("what was kept of the model does not fit, removing it", error=str(error))
        file.unlink(missing_ok=True)
        return None


def keep(loaded: Loaded, spec: EngineSpec, decoder: Decoder, code: Path, tensors: Tensors) -> None:
    """Keep a model that is computed by the package `code`, unless it is not worth its room.

    `tensors` are those of the step without caches, by their names. Raises `OSError`.
    """
    file = file_for(loaded, spec)
    found = constants.find(tensors)
    if constants.nbytes(_without(tensors, found).values()) > MOST_WRITTEN_BYTES:
        return
    places = constants.unchanged(found, tensors)
    with locked(file.with_name(LOCK)):
        if file.exists():  # another engine was quicker
            return
        places |= constants.write(_without(tensors, places), file.with_suffix(CONSTANTS))
        stamps = {name: _stamp(name) for name in constants.files_of(places.values())}
        described = Description(decoder, code.name, places, stamps)
        unfinished = file.with_suffix(".partial")
        unfinished.write_bytes(msgspec.json.encode(described))
        unfinished.rename(file)
        _remove_unused(file)
    log.info("the next start does without the model", description=str(file))


def file_for(loaded: Loaded, spec: EngineSpec) -> Path:
    """Where the description of the model of `spec` is, or will be."""
    settings = {
        name: value for name, value in msgspec.to_builtins(spec).items() if name not in NEUTRAL
    }
    parts = [
        str(FORMAT_VERSION),
        json.dumps(settings, sort_keys=True),
        *_checkpoint(loaded.folder),
        *package.environment(),
    ]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return loaded.cache / "compiled" / f"{loaded.checkpoint.stem}-{key}{DESCRIPTION}"


def _read(file: Path) -> Kept:
    described = msgspec.json.decode(file.read_bytes(), type=Description)
    for name, stamp in described.stamps.items():
        if not Path(name).is_file() or _stamp(name) != stamp:
            raise ValueError(f"{name} has changed")
    code_file = file.with_name(described.package)
    if not code_file.is_file():
        raise ValueError(f"{code_file} is gone")
    for used in (file, file.with_suffix(CONSTANTS), code_file):
        unused.note_use(used)
    return Kept(described.decoder, package.Code(code_file), constants.read(described.places))


def _remove_unused(file: Path) -> None:
    """Of earlier states of the model of `file`, and packages that nothing else needs."""
    folder = file.parent
    for suffix in (DESCRIPTION, CONSTANTS):
        unused.remove(unused.siblings(file.with_suffix(suffix), suffix))
    texts = [each.read_text(errors="replace") for each in folder.glob(f"*{DESCRIPTION}")]
    codes = folder.glob(f"*{package.SUFFIX}")
    unused.remove(code for code in codes if not any(code.name in text for text in texts))


def _without(tensors: Tensors, places: dict[str, Place]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name not in places}


def _checkpoint(folder: Path) -> Iterator[str]:
    """The state of the directory that the model would be loaded from."""
    yield str(folder.resolve())
    for file in sorted(folder.iterdir()):
        if file.is_file():
            yield f"{file.name} {_stamp(str(file))}"


def _stamp(file: str) -> Stamp:
    status = Path(file).stat()
    return Stamp(status.st_size, status.st_mtime_ns)
