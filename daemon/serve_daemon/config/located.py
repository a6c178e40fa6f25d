"""Where a source's checkpoint lies on this machine, if it does. Nothing is downloaded or imported.

A folder is looked at, which takes no longer than listing it.
"""

import importlib.util
import sys
from pathlib import Path

from serve_daemon.config.probe import package_directories
from serve_daemon.config.sources import (
    GGUF_SUFFIX,
    PREFERRED_QUANTIZATION,
    Directory,
    GgufFile,
    HubSource,
    PackageFile,
    SourceError,
    parse,
)
from serve_daemon.config.tensors import shards

DEFAULT_REVISION = "main"


def located(source: str, python: str = "", *, with_weights: bool = True) -> Path | None:
    """The .gguf file or the directory that `source` names; None where it isn't here.

    `python` is the interpreter that engines run under, "" our own.
    """
    try:
        match parse(source):
            case Directory(path=path) | GgufFile(path=path):
                return Path(path)
            case PackageFile(package=package, file=file):
                folder = package_folder(package, python)
                return _existing(folder / file) if folder is not None else None
            case HubSource() as named:
                folder = snapshot(named)
                return folder and cached(folder, named.file, with_weights=with_weights)
    except SourceError:
        return None


def package_folder(package: str, python: str = "") -> Path | None:
    """Where an installed package lies."""
    if python not in {"", sys.executable}:
        folders = (each / package for each in package_directories(Path(python).parent.parent))
        return next((folder for folder in folders if folder.is_dir()), None)
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0])


def snapshot(source: HubSource) -> Path | None:
    """What the Hub's cache holds of the revision, which may be a part."""
    from huggingface_hub import constants

    repository = f"models--{source.repository.replace('/', '--')}"
    folder = Path(constants.HF_HUB_CACHE) / repository
    revision = source.revision or DEFAULT_REVISION
    reference = folder / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    return _existing(folder / "snapshots" / commit)


def cached(folder: Path, file: str, *, with_weights: bool) -> Path | None:
    """What the snapshot `folder` surely has of what a source names; None: the Hub must be asked."""
    if file:
        return folder / file if (folder / file).is_file() else None
    if is_complete(folder) or (not with_weights and (folder / "config.json").is_file()):
        return folder
    preferred = [name for name in gguf_names(folder) if PREFERRED_QUANTIZATION in name.upper()]
    return folder / preferred[0] if len(preferred) == 1 else None


def is_complete(folder: Path) -> bool:
    """Whether the snapshot `folder` holds all weights that it names."""
    if not (folder / "config.json").is_file():
        return False
    if names := shards(folder):
        return all((folder / name).is_file() for name in names)
    return any(folder.glob("*.safetensors"))


def gguf_names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(f"*{GGUF_SUFFIX}")]


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
