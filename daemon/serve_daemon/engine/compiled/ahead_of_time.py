"""The step on a CPU: compiled by a child process while this one serves, kept for later starts."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import structlog

from serve_daemon.engine import unused
from serve_daemon.engine.compiled import package
from serve_daemon.engine.compiled.build import Order
from serve_daemon.engine.compiled.prepare import Prepared
from serve_daemon.engine.compiled.step import Compute, compute
from serve_daemon.engine.loader import Loaded
from serve_daemon.wire.messages import EngineSpec

log = structlog.get_logger()

PROGRAM = "serve_daemon.engine.compiled.build"
TOLD_LINES = 5  # of what a failed build says


class AheadOfTime:
    """See `serve_daemon.engine.compiled.engine.Compiler`."""

    def __init__(
        self, loaded: Loaded, spec: EngineSpec, prepared: Prepared, keep: Callable[[Path], None]
    ) -> None:
        self._keep = keep  # what belongs to a package, for later starts
        self._device = loaded.device
        self._step = prepared.step
        self._file = package.file_for(loaded.model, loaded.cache, spec.kv_cache_dtype)
        self.is_compiling = False
        self._order = Order(spec, str(loaded.checkpoint), str(loaded.cache), str(self._file))

    def compute(self) -> Compute:
        return self._packaged() or partial(compute, self._step, device=self._device)

    def improve(self, use: Callable[[Compute], None]) -> None:
        self.is_compiling = not self._file.exists()
        threading.Thread(target=self._improve, args=(use,), name="build", daemon=True).start()

    def _improve(self, use: Callable[[Compute], None]) -> None:
        try:
            if self.is_compiling:
                if not build(self._order) or (packaged := self._packaged()) is None:
                    return
                use(packaged)
        finally:
            self.is_compiling = False
        try:
            self._keep(self._file)
        except OSError as error:
            log.warning("the next start has to load the model again", error=str(error))

    def _packaged(self) -> Compute | None:
        """The package, if there is one; one that is broken is removed, to be made anew."""
        if not self._file.exists():
            return None
        try:
            forward = package.load(self._file, self._step)
            unused.note_use(self._file)
        except RuntimeError as error:  # what torch raises
            log.warning("the compiled step is broken, removing it", error=str(error))
            self._file.unlink()
            return None
        log.info("compiled step in use", package=str(self._file))
        return partial(compute, forward, device=self._device)


def build(order: Order) -> bool:
    """Have a child process make the package; whether it is there."""
    log.info("compiling the step, serving uncompiled meanwhile")
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", PROGRAM],
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if ended.returncode:
        said = ended.stdout.decode(errors="replace").splitlines()[-TOLD_LINES:]
        log.warning(
            "the step can't be compiled, serving it uncompiled",
            status=ended.returncode,
            error="\n".join(said),
        )
        return False
    log.info("step compiled", seconds=round(time.monotonic() - start, 1))
    return True
