"""From a spec to a model in memory, and to the files that the gateway reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config import located, model_kind, sources
from serve_daemon.engine import artefacts, attention, convert, hub, quantization, weights
from serve_daemon.engine.errors import EngineError, classify
from serve_daemon.wire.messages import EngineSpec, Phase, Reason

Announce = Callable[[Phase, str, int, int], None]  # what is done, on what, done, of total


class Loaded(Struct, frozen=True):
    """A model that is ready to compute."""

    model: Any  # transformers.PreTrainedModel
    artefacts: Path  # what a gateway reads
    device: str
    checkpoint: Path  # what it was loaded from
    cache: Path


def load(spec: EngineSpec, checkpoint: Path, cache: Path, announce: Announce) -> Loaded:
    """Load the model of `spec` from what `locate` found, converting it if need be.

    Raises `EngineError`.
    """
    device = choose_device(spec.device)
    attention.check(spec, device)
    quantization.check_device(checkpoint, device)
    try:
        return _load(spec, checkpoint, _Places(cache, device), announce)
    except Exception as error:
        raise _as_load_error(error, spec) from error


def locate(spec: EngineSpec, announce: Announce) -> Path:
    """The local directory or .gguf file that `spec.source` names.

    Raises `EngineError` where there is none.
    """
    try:
        return _locate(spec, announce)
    except sources.SourceError as error:
        is_malformed = isinstance(error, sources.MalformedSourceError)
        raise EngineError(Reason.CONFIG if is_malformed else Reason.SOURCE, str(error)) from error


def check_kind(spec: EngineSpec, checkpoint: Path) -> None:
    """Raise `EngineError` for a model of vectors that is to generate, and for the reverse."""
    if problem := model_kind.problem_of(spec.engine, checkpoint):
        raise EngineError(Reason.CONFIG, f"source '{spec.source}' {problem}")


def _locate(spec: EngineSpec, announce: Announce) -> Path:
    match sources.parse(spec.source):
        case sources.Directory(path=path) | sources.GgufFile(path=path):
            return _existing(Path(path), spec.source)
        case sources.PackageFile(package=package, file=file):
            return _existing(_package_folder(package) / file, spec.source)
        case sources.HubSource() as source:
            return hub.find(
                source,
                with_weights=spec.load_format != "dummy",
                with_code=spec.trust_remote_code,
                report=lambda name, done, total: announce(Phase.DOWNLOADING, name, done, total),
            )


def choose_device(asked: str) -> str:
    """The torch device to compute on.

    Raises `EngineError` where it isn't there.
    """
    import torch

    count = torch.cuda.device_count() if asked != "cpu" and torch.cuda.is_available() else 0
    present = [f"cuda:{index}" for index in range(count)]
    if asked == "auto":
        return present[0] if present else "cpu"
    device = "cuda:0" if asked == "cuda" else asked
    if device != "cpu" and device not in present:
        raise EngineError(
            Reason.DEVICE,
            f"device '{asked}' is not present; this host has {', '.join(['cpu', *present])}",
        )
    return device


class _Places(Struct, frozen=True):
    cache: Path
    device: str


def _load(spec: EngineSpec, checkpoint: Path, places: _Places, announce: Announce) -> Loaded:
    if checkpoint.suffix == sources.GGUF_SUFFIX:
        folder = readable = _converted(spec, checkpoint, places, announce)
    else:
        folder, readable = checkpoint, artefacts.gather(checkpoint, places.cache / "artefacts")
    announce(Phase.LOADING, str(folder), 0, 0)
    make = weights.dummy if spec.load_format == "dummy" else weights.from_checkpoint
    model = make(spec, folder, places.device).eval()
    return Loaded(model, readable, places.device, checkpoint, places.cache)


def _converted(spec: EngineSpec, gguf: Path, places: _Places, announce: Announce) -> Path:
    if spec.load_format == "dummy":
        raise EngineError(
            Reason.CONFIG, f"load_format 'dummy' needs a config.json, which {gguf} doesn't have"
        )
    dtype = weights.dtype_of(spec, "", places.device)
    target = convert.destination(gguf, places.cache / "converted", dtype)
    if not target.exists():
        announce(Phase.CONVERTING, str(gguf), 0, gguf.stat().st_size)
        convert.convert_in_child(gguf, target, dtype)
    return target


def _package_folder(package: str) -> Path:
    folder = located.package_folder(package)
    if folder is None:
        raise EngineError(
            Reason.SOURCE,
            f"the Python package {package} is not installed;"
            f" pip install {package.replace('_', '-')} into the engine's Python environment",
        )
    return folder


def _existing(path: Path, source: str) -> Path:
    if not path.exists():
        raise EngineError(Reason.SOURCE, f"source '{source}': {path} does not exist")
    if path.is_dir() and not (path / "config.json").is_file():
        raise EngineError(Reason.SOURCE, f"source '{source}': {path} has no config.json")
    return path


def _as_load_error(error: Exception, spec: EngineSpec) -> EngineError:
    failure = classify(error)
    if failure.reason is not Reason.INTERNAL:
        return failure
    return EngineError(Reason.SOURCE, f"source '{spec.source}' can't be loaded: {failure.message}")
