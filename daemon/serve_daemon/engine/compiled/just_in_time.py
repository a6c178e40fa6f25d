"""The step on a GPU: captured as graphs at once, and again when it is compiled."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
import torch

from serve_daemon.engine.compiled.graphs import Graphs
from serve_daemon.engine.compiled.package import example
from serve_daemon.engine.compiled.prepare import Prepared
from serve_daemon.engine.compiled.step import Compute, Forward, Step
from serve_daemon.engine.loader import Loaded
from serve_daemon.wire.messages import EngineSpec

log = structlog.get_logger()


class JustInTime:
    """See `serve_daemon.engine.compiled.engine.Compiler`."""

    def __init__(self, loaded: Loaded, spec: EngineSpec, prepared: Prepared) -> None:
        self._device = loaded.device
        self._step = prepared.step
        self._max_rows = spec.max_requests
        self._cache = loaded.cache
        self.is_compiling = False

    def compute(self) -> Compute:
        return self._captured(self._step)

    def improve(self, use: Callable[[Compute], None]) -> None:
        self.is_compiling = True
        threading.Thread(target=self._improve, args=(use,), name="compile", daemon=True).start()

    def _improve(self, use: Callable[[Compute], None]) -> None:
        try:
            self._compile(use)
        finally:
            self.is_compiling = False

    def _compile(self, use: Callable[[Compute], None]) -> None:
        log.info("compiling the step, serving uncompiled meanwhile")
        try:
            compiled = compile_step(self._step, self._cache)
        except RuntimeError as error:  # what torch's compiler raises
            log.warning("the step can't be compiled, serving it uncompiled", error=str(error))
            return
        use(self._captured(compiled))
        log.info("compiled step in use")

    def _captured(self, forward: Forward) -> Compute:
        graphs = Graphs(forward, self._device, self._max_rows)
        graphs.capture()
        return graphs.compute


@torch.inference_mode()
def compile_step(step: Step, cache: Path) -> Forward:
    """`step` compiled for any number of tokens; what the compiler makes is kept in `cache`.

    Raises `RuntimeError` for a model that can't be compiled whole.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "inductor"))
    compiled: Forward = torch.compile(step, dynamic=True, fullgraph=True)
    compiled(*example(step.model.device))
    return compiled
