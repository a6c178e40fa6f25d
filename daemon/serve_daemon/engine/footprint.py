"""What an engine takes of memory before it has a model: measured while it imports what it needs."""

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from serve_daemon.config import probe as config_probe
from serve_daemon.config.checkpoint import BITSANDBYTES

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
    return measured([engine], with_bitsandbytes=with_bitsandbytes)


def measured(engines: Iterable[str], *, with_bitsandbytes: bool) -> dict[str, int]:
    """Bytes by the engine's name, and what the library adds; all of it is imported then."""
    sizes = {}
    for name in LOADING:
        import_module(name)
    for engine in engines:
        import_module(f"serve_daemon.engine.{engine}.engine")
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
