"""What a model's `source` names, and which file of a Hub repository to take. Nothing is read."""

import os.path
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

PACKAGE_PREFIX = "python:"
GGUF_SUFFIX = ".gguf"
PREFERRED_QUANTIZATION = "Q4_K_M"
HUB_ID = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>[^:\s]+))?(:(?P<file>[^:\s]+))?", re.ASCII
)


class SourceError(Exception):
    """A source that names nothing, or not one thing: what, and what to write instead."""


class MalformedSourceError(SourceError):
    """It can't name anything, whatever there is on the machine."""


class Directory(Struct, frozen=True):
    path: str


class GgufFile(Struct, frozen=True):
    path: str


class PackageFile(Struct, frozen=True):
    """A file, or with an empty `file` the directory, of an installed Python package."""

    package: str
    file: str


class HubSource(Struct, frozen=True):
    repository: str
    revision: str = ""  # "": the default branch
    file: str = ""  # "": chosen from what the repository holds


Source = Directory | GgufFile | PackageFile | HubSource


def parse(source: str, exists: Callable[[str], bool] = os.path.exists) -> Source:
    """The kind of source that `source` is.

    Raises `SourceError` where it is none.
    """
    if source.startswith(PACKAGE_PREFIX):
        return _package_file(source)
    path = str(Path(source).expanduser()) if source.startswith("~") else source
    is_path = source.startswith(("/", "./", "../", "~")) or exists(path)
    if not is_path and (match := HUB_ID.fullmatch(source)):
        return HubSource(
            repository=match["repository"],
            revision=match["revision"] or "",
            file=match["file"] or "",
        )
    if not exists(path):
        raise SourceError(
            f"source '{source}' does not exist; give a directory, a .gguf file,"
            " a Hub id like ORG/NAME, or python:PACKAGE/FILE"
        )
    return GgufFile(path) if path.endswith(GGUF_SUFFIX) else Directory(path)


def choose_file(repository: str, files: Sequence[str]) -> str:
    """The GGUF file of a repository to take; "" takes its safetensors.

    Raises `SourceError` where the choice is not clear.
    """
    if "config.json" in files and any(name.endswith(".safetensors") for name in files):
        return ""
    found = sorted(name for name in files if name.endswith(GGUF_SUFFIX))
    if not found:
        raise SourceError(
            f"{repository} holds neither safetensors with a config.json nor a .gguf file"
        )
    preferred = [name for name in found if PREFERRED_QUANTIZATION in name.upper()]
    for choice in (found, preferred):
        if len(choice) == 1:
            return choice[0]
    raise SourceError(
        f"{repository} holds several .gguf files; name one as {repository}:FILE."
        f" There are: {', '.join(found)}"
    )


def _package_file(source: str) -> PackageFile:
    package, _, file = source.removeprefix(PACKAGE_PREFIX).partition("/")
    if not package.isidentifier():
        raise MalformedSourceError(
            f"source '{source}': write python:PACKAGE/FILE with the import name of a top-level"
            " package"
        )
    return PackageFile(package, file)
