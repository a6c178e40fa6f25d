"""Has the step compiled by a child process, while this one serves."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from serve_daemon.engine.compiled.build import Order

log = structlog.get_logger()

PROGRAM = "serve_daemon.engine.compiled.build"
TOLD_LINES = 5  # of what a failed build says


def build_in_background(order: Order, built: Callable[[Path], None]) -> None:
    """Return at once; call `built` with the package, in another thread, once it is there."""
    threading.Thread(target=_build, args=(order, built), name="build", daemon=True).start()


def _build(order: Order, built: Callable[[Path], None]) -> None:
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
        return
    log.info("step compiled", seconds=round(time.monotonic() - start, 1))
    built(Path(order.target))
