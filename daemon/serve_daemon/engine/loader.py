"""From a spec to a model in memory, and to the files that the gateway reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config import located, model_kind, sources
from serve_daemon.engine import artefacts, attention, hub, quantization, weights
from serve_daemon.engine.errors import EngineError, classify
from serve_daemon.engine.gguf import tokenizer
from serve_daemon.wire.messages import EngineSpec, Phase, Reason

Announce = Callable[[Phase, str, int, int], None]  # what is done, on what, done, of total


class Loaded:
    """A model that is ready to compute once it is asked for: an engine may do without it."""

    def __init__(
        self, folder: Path, artefacts: Path, places: "_Places", load_model: Callable[[], Any]
    ) -> None:
        self.folder = folder  # its config and its weights, as Transformers reads them
        self.artefacts = artefacts  # what a gateway reads
        self.checkpoint = places.checkpoint  # what it comes from
        self.device = places.device
        self.cache = places.cache
        self._load_model = load_model

    @cached_property
    def model(self) -> Any:  # transformers.PreTrainedModel
        """Raises `EngineError`."""
        return self._load_model()


def load(spec: EngineSpec, checkpoint: Path, cache: Path, announce: Announce) -> Loaded:
    """Make the model of `spec` ready from what `locate` found, converting it if need be.

    Raises `EngineError`.
    """
    device = choose_device(spec.device)
    attention.check(spec, device)
    quantization.check_device(checkpoint, device)
    places = _Places(checkpoint, cache, device)
    with _load_errors(spec):
        folder, readable = _folders(spec, places, announce)
    return Loaded(folder, readable, places, lambda: _model(spec, folder, device, announce))


def begin(spec: EngineSpec, checkpoint: Path, cache: Path) -> None:
    """Have begun what takes long and needs no torch here; returns at once."""
    if checkpoint.suffix == sources.GGUF_SUFFIX and spec.load_format != "dummy":
        tokenizer.begin(checkpoint, cache)


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
    checkpoint: Path
    cache: Path
    device: str


def _folders(spec: EngineSpec, places: _Places, announce: Announce) -> tuple[Path, Path]:
    """Where the model is, as Transformers reads it, and what the gateway reads."""
    checkpoint = places.checkpoint
    if checkpoint.suffix == sources.GGUF_SUFFIX:
        folder = _from_gguf(spec, places, announce)
        return folder, folder
    return checkpoint, artefacts.gather(checkpoint, places.cache / "artefacts")


def _model(spec: EngineSpec, folder: Path, device: str, announce: Announce) -> Any:
    announce(Phase.LOADING, str(folder), 0, 0)
    make = weights.dummy if spec.load_format == "dummy" else weights.from_checkpoint
    with _load_errors(spec):
        return make(spec, folder, device).eval()


def _from_gguf(spec: EngineSpec, places: _Places, announce: Announce) -> Path:
    from serve_daemon.engine.gguf import source  # with torch, which `begin` does not wait for

    file = places.checkpoint
    if spec.load_format == "dummy":
        raise EngineError(
            Reason.CONFIG, f"load_format 'dummy' needs a config.json, which {file} doesn't have"
        )
    dtype = weights.dtype_of(spec, "", places.device)
    gguf = source.Gguf(file, places.cache, places.device, dtype)
    size = file.stat().st_size
    return source.directory(gguf, spec, lambda: announce(Phase.CONVERTING, str(file), 0, size))


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


@contextmanager
def _load_errors(spec: EngineSpec) -> Iterator[None]:
    """Say of any error which source it is about."""
    try:
        yield
    except Exception as error:
        raise _as_load_error(error, spec) from error


def _as_load_error(error: Exception, spec: EngineSpec) -> EngineError:
    failure = classify(error)
    if failure.reason is not Reason.INTERNAL:
        return failure
    return EngineError(Reason.SOURCE, f"source '{spec.source}' can't be loaded: {failure.message}")
