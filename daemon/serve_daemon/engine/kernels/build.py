"""The C++ operators: compiled once, kept in the cache, loaded into torch's dispatcher."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
import torch

from serve_daemon.engine.kernels import drawing, operators  # noqa: F401 - the schemas come first
from serve_daemon.engine.locks import locked

SOURCES = Path(__file__).parent / "source"
COMPILE_SECONDS = 300

# The stable interface of torch 2.11: a library works with it and with every later torch. It runs
# on torch's own threads and links no OpenMP.
TORCH_TARGET = "0x020b000000000000"
FLAGS = (
    *("-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-fno-math-errno"),
    *("-w", "-DTORCH_STABLE_ONLY", f"-DTORCH_TARGET_VERSION={TORCH_TARGET}"),
)


def _sources() -> bytes:
    """A digest of all that is compiled."""
    digest = hashlib.sha256("\n".join(FLAGS).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(f"{source.name}\n".encode() + source.read_bytes())
    return digest.digest()


# What `make venv` leaves, or a wheel brings; one of other sources is not looked at.
AHEAD = "libserve_daemon_kernels-"
BUILT_AHEAD = Path(__file__).parent / f"{AHEAD}{_sources().hex()[:16]}.so"

log = structlog.get_logger()
_loaded: set[Path] = set()
_failed: set[str] = set()


def load(cache: Path) -> bool:
    """Whether the C++ operators are in place; where not, the reference is, and a warning said why.

    The first call of all compiles them into `cache` (about 10 s), unless that was done ahead.
    """
    if _loaded:
        return True
    if BUILT_AHEAD.exists() and _load(BUILT_AHEAD):
        return True
    compiler = _compiler()
    if compiler is None:
        return _warn("no C++ compiler was found", "install g++, or set CXX")
    try:
        built = build(compiler, cache / "kernels")
    except subprocess.CalledProcessError as error:
        return _warn(f"{compiler}: {_end(error.stderr)}", "install a newer g++, or set CXX")
    except (OSError, subprocess.TimeoutExpired) as error:
        return _warn(f"{compiler}: {error}", "set CXX to a C++ compiler, see that the cache is ok")
    return _load(built)


def is_loaded() -> bool:
    """Whether the C++ operators are in place."""
    return bool(_loaded)


def library() -> ctypes.CDLL | None:
    """The library in use, if one is, for what isn't an operator."""
    return next((ctypes.CDLL(str(path)) for path in _loaded), None)


def build(compiler: str, directory: Path) -> Path:
    """The library in `directory`, compiled unless it is there; it appears whole or not at all."""
    target = directory / f"{key(compiler)}.so"
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / f"{target.stem}.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=directory, prefix=f"{target.stem}.") as parts:
                _make(compiler, Path(parts)).rename(target)
    return target


def compiling(compiler: str, source: Path, result: Path) -> list[str]:
    """What compiles one source."""
    includes = f"-I{Path(torch.__file__).parent / 'include'}"
    return [*compiler.split(), *FLAGS, includes, "-c", str(source), "-o", str(result)]


def linking(compiler: str, parts: list[Path], result: Path) -> list[str]:
    """What makes a library of them."""
    libraries = (f"-L{Path(torch.__file__).parent / 'lib'}", "-ltorch_cpu", "-lc10")
    return [*compiler.split(), "-shared", *map(str, parts), *libraries, "-o", str(result)]


def _make(compiler: str, directory: Path) -> Path:
    """Compile the sources, as many at once as there are cores, and link them in `directory`."""
    sources = sorted(SOURCES.glob("*.cpp"))
    parts = [directory / f"{source.stem}.o" for source in sources]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(lambda *pair: _run(compiling(compiler, *pair)), sources, parts))
    _run(linking(compiler, parts, directory / "library.so"))
    return directory / "library.so"


def key(compiler: str) -> str:
    """What tells one library from another."""
    version = _run([*compiler.split(), "--version"])
    parts = (compiler, version, torch.__version__, platform.machine())
    return hashlib.sha256(_sources() + "\n".join(parts).encode()).hexdigest()[:16]


def _compiler() -> str | None:
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")


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


def main() -> int:
    """Build the library ahead, beside this module: the first start then has nothing to compile."""
    if (compiler := _compiler()) is None:
        sys.stderr.write("no C++ compiler was found, so the CPU operators will be slow; see CXX\n")
        return 1
    home = BUILT_AHEAD.parent
    with tempfile.TemporaryDirectory(dir=home, prefix=AHEAD) as parts:
        _make(compiler, Path(parts)).rename(BUILT_AHEAD)
    for old in set(home.glob(f"{AHEAD}*.so")) - {BUILT_AHEAD}:
        old.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
