"""What an engine takes of memory before it has a model: measured while it imports what it needs."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from serve_daemon.config import probe as config_probe
from serve_daemon.config.checkpoint import BITSANDBYTES
from serve_daemon.wire import code

PACKAGES = ("torch", "transformers", "accelerate", "bitsandbytes", "gguf", "safetensors", "kernels")
# What loading imports of Transformers, with the code of one decoder, which stands for any.
LOADING = (
    "torch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
)


def unknown(cache: Path, engine: str, *, with_bitsandbytes: bool) -> dict[str, int]:
    """What `measured` finds, unless an earlier start has found it: nothing is imported then."""
    known = config_probe.cached(str(cache), "")
    needed = {engine, BITSANDBYTES} if with_bitsandbytes else {engine}
    if known is not None and needed <= known.program_bytes.keys():
        return {}
    if (before := _before(cache)) and needed <= before.keys():
        return before
    return measured([engine], with_bitsandbytes=with_bitsandbytes)


def versions() -> dict[str, str]:
    """Of the interpreter, and of the packages that decide what an engine can do and takes."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _before(cache: Path) -> dict[str, int]:
    """What was measured with the same versions; others may have been installed since."""
    now = versions()
    probes = config_probe.all_cached(str(cache))
    return next((each.program_bytes for each in probes if each.versions == now), {})


def measured(engines: Iterable[str], *, with_bitsandbytes: bool) -> dict[str, int]:
    """Bytes by the engine's name, and what the library adds; all of it is imported then."""
    sizes = {}
    for name in LOADING:
        import_module(name)
    for engine in engines:
        import_module(f"serve_daemon.engine.{engine}.engine")
        code.let_go()  # as an engine does, once it is ready
        sizes[engine] = resident_bytes()
    if with_bitsandbytes:
        before = resident_bytes()
        import_module(BITSANDBYTES)
        sizes[BITSANDBYTES] = resident_bytes() - before
    return sizes


def resident_bytes() -> int:
    """Memory that this process holds on the host."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
