"""The C++ operators: compiled once, kept in the cache, loaded into torch's dispatcher."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

import structlog
import torch

from serve_daemon.engine.kernels import operators  # noqa: F401 - the schemas come first
from serve_daemon.engine.locks import locked

SOURCES = Path(__file__).parent / "source"
BUILT_AHEAD = Path(__file__).parent / "libserve_daemon_kernels.so"
COMPILE_SECONDS = 300

# The stable interface of torch 2.11: a library works with it and with every later torch. It runs
# on torch's own threads and links no OpenMP.
TORCH_TARGET = "0x020b000000000000"
FLAGS = (
    *("-std=c++20", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-math-errno"),
    *("-w", "-DTORCH_STABLE_ONLY", f"-DTORCH_TARGET_VERSION={TORCH_TARGET}"),
)

log = structlog.get_logger()
_loaded: set[Path] = set()
_failed: set[str] = set()


def load(cache: Path) -> bool:
    """Whether the C++ operators are in place; where not, the reference is, and a warning said why.

    The first call of all compiles them into `cache` (about 15 s); a library beside this module,
    as a wheel may bring one, needs no compiler.
    """
    if _loaded:
        return True
    if BUILT_AHEAD.exists() and _load(BUILT_AHEAD):
        return True
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        return _warn("no C++ compiler was found", "install g++, or set CXX")
    try:
        built = build(compiler, cache / "kernels")
    except subprocess.CalledProcessError as error:
        return _warn(f"{compiler}: {_end(error.stderr)}", "install a newer g++, or set CXX")
    except (OSError, subprocess.TimeoutExpired) as error:
        return _warn(f"{compiler}: {error}", "set CXX to a C++ compiler, see that the cache is ok")
    return _load(built)


def library() -> ctypes.CDLL | None:
    """The library in use, if one is, for what isn't an operator."""
    return next((ctypes.CDLL(str(path)) for path in _loaded), None)


def build(compiler: str, directory: Path) -> Path:
    """The library in `directory`, compiled unless it is there; it appears whole or not at all."""
    target = directory / f"{key(compiler)}.so"
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / f"{target.stem}.lock"):
        if not target.exists():
            partial = directory / f"{target.stem}.partial"
            _run([*command(compiler), "-o", str(partial)])
            partial.rename(target)
    return target


def command(compiler: str) -> list[str]:
    """What compiles every source, without the name of the result."""
    home = Path(torch.__file__).parent
    return [
        *(*compiler.split(), *FLAGS, f"-I{home / 'include'}"),
        *map(str, sorted(SOURCES.glob("*.cpp"))),
        *(f"-L{home / 'lib'}", "-ltorch_cpu", "-lc10"),
    ]


def key(compiler: str) -> str:
    """What tells one library from another."""
    digest = hashlib.sha256()
    for source in sorted(SOURCES.iterdir()):
        digest.update(f"{source.name}\n".encode() + source.read_bytes())
    version = _run([*compiler.split(), "--version"])
    digest.update("\n".join([torch.__version__, version, platform.machine(), *FLAGS]).encode())
    return digest.hexdigest()[:16]


def _run(words: list[str]) -> str:
    ran = subprocess.run(words, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS)
    return ran.stdout


def _load(path: Path) -> bool:
    try:
        torch.ops.load_library(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        return _warn(f"{path}: {error}", "remove that file, so that it is compiled again")
    _loaded.add(path)
    return True


def _warn(reason: str, advice: str) -> bool:
    """Say it once; the answer is always no."""
    if reason not in _failed:
        _failed.add(reason)
        log.warning(
            "the CPU operators run in plain torch, which is slow", reason=reason, advice=advice
        )
    return False


def _end(text: str) -> str:
    return text.strip()[-2000:]
