"""Which implementation an engine's name stands for; each is imported only where it is asked for."""

from collections.abc import Callable
from importlib import import_module

from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.protocol import AnyEngine
from serve_daemon.wire.messages import EngineSpec

GENERATING = ("continuous", "compiled")
NAMES = (*GENERATING, "embedding")

Make = Callable[[Loaded, EngineSpec, int], AnyEngine]  # the last: threads to compute with


def implementation(spec: EngineSpec) -> Make:
    """What makes the engine of `spec`.

    Raises `EngineError` for what it can't do, before anything is loaded.
    """
    module = import_module(f"serve_daemon.engine.{spec.engine}.engine")
    module.check(spec)
    make: Make = module.make
    return make
