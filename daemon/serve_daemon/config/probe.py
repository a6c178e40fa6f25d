"""What engines can do on this machine, as an engine found out once: kept in the cache directory.

`python -m serve_daemon.engine --probe` finds out; programs without torch read the result here.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
from msgspec import Struct

from serve_daemon import __version__
from serve_daemon.config.attention import WORKING

_DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/sys/module/amdgpu/version"))
_PACKAGE_DIRECTORIES = (
    "lib/python3*/site-packages",
    "lib/python3*/dist-packages",
    "lib64/python3*/site-packages",
    "local/lib/python3*/dist-packages",
    "local/lib/python3*/site-packages",
)
# What hides devices from an engine.
_VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class Device(Struct, frozen=True):
    name: str  # as a config names it: "cpu", "cuda:0"
    kind: str  # as people call it: "NVIDIA H100 80GB HBM3"
    memory_bytes: int
    dtypes: list[str]  # those that it computes in: "bfloat16", "float16", "float32"


class Probe(Struct, frozen=True):
    versions: dict[str, str]  # of the interpreter and of packages, by name
    devices: list[Device]
    attn_implementations: list[str]  # those that work here
    engines: list[str]
    quantization: list[str]  # values of the key, and methods of checkpoints, that work here
    # Those that Transformers knows and that don't work here, each with what it lacks.
    unavailable_attn_implementations: dict[str, str] = {}
    unavailable_quantization: dict[str, str] = {}
    gpu_quantization: list[str] = []  # those of `quantization` that no CPU computes with
    # Bytes of an engine without a model, by the engine's name; and what a library adds to it.
    program_bytes: dict[str, int] = {}


def cached(cache_directory: str, python: str) -> Probe | None:
    """What was found out for this interpreter ("": our own) as it is now, if anything."""
    try:
        content = probe_file(cache_directory, python).read_bytes()
        return msgspec.json.decode(content, type=Probe)
    except (OSError, msgspec.DecodeError):  # none yet, or one that nobody can use
        return None


def all_cached(cache_directory: str) -> Iterator[Probe]:
    """What was found out for this or another state of an environment, the newest first."""
    files = Path(cache_directory).glob("probe-*.json")
    for file in sorted(files, key=lambda each: each.stat().st_mtime_ns, reverse=True):
        with suppress(OSError, msgspec.DecodeError):
            yield msgspec.json.decode(file.read_bytes(), type=Probe)


def store(cache_directory: str, python: str, probe: Probe) -> None:
    """Keep what was found out for this interpreter ("": our own)."""
    file = probe_file(cache_directory, python)
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=file.parent, prefix=file.name, delete=False) as written:
        written.write(msgspec.json.encode(probe))
    Path(written.name).replace(file)


def probe_file(cache_directory: str, python: str) -> Path:
    return Path(cache_directory) / f"probe-{key(python)}.json"


def key(python: str) -> str:
    """A name for all that decides what engines can do: interpreter, packages, driver, devices."""
    interpreter = Path(followed(python or sys.executable))
    # Links such as python and python3 in one directory are one interpreter.
    lines = [__version__, *WORKING, str(interpreter.parent), str(interpreter.resolve())]
    lines += _stamps(interpreter.parent.parent)
    lines += [_content(driver) for driver in _DRIVERS]
    lines += [f"{name}={os.environ.get(name)}" for name in _VARIABLES]
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:16]


def followed(python: str) -> str:
    """The path of an interpreter, without links on the way to its environment."""
    path = Path(python)
    return str(path.parent.resolve() / path.name) if python else ""


def package_directories(prefix: Path) -> list[Path]:
    """Where the packages of the Python environment in `prefix` lie."""
    return [path for pattern in _PACKAGE_DIRECTORIES for path in prefix.glob(pattern)]


def _stamps(prefix: Path) -> Iterator[str]:
    """When the environment was made, and when a package last came to it or left it."""
    for path in sorted({prefix / "pyvenv.cfg", *package_directories(prefix)}):
        try:
            yield f"{path} {path.stat().st_mtime_ns}"
        except OSError:
            continue


def _content(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
