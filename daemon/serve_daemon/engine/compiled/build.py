"""The program that compiles one model's step: a child of the engine that serves meanwhile."""

import os
import shutil
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from serve_daemon.engine.death import die_with_parent
from serve_daemon.engine.locks import locked
from serve_daemon.wire.messages import EngineSpec

STAND_IN_SLOTS, STAND_IN_TOKENS = 2, 8  # the code fits caches of any size


class Order(Struct, frozen=True):
    """What to build, as the engine writes it to this program's stdin."""

    spec: EngineSpec
    checkpoint: str
    cache_directory: str
    target: str


def main() -> int:
    die_with_parent()
    os.nice(19)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    target = Path(order.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_suffix(".lock")):
        if not target.exists():  # else another engine of this model was quicker
            _build_in(target.with_suffix(".building"), order, target)
    return 0


def _build_in(scratch: Path, order: Order, target: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that died here
    scratch.mkdir()
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = os.environ["TMPDIR"] = str(scratch)  # read by torch
    _build(order, target)
    shutil.rmtree(scratch)


def _build(order: Order, target: Path) -> None:
    import torch

    from serve_daemon.engine import loader
    from serve_daemon.engine.compiled import package
    from serve_daemon.engine.compiled.prepare import prepare

    torch.set_num_threads(1)
    cache = Path(order.cache_directory)
    loaded = loader.load(order.spec, Path(order.checkpoint), cache, lambda *_: None)
    prepared = prepare(loaded, order.spec.kv_cache_dtype)
    prepared.attach(STAND_IN_SLOTS, STAND_IN_TOKENS)
    with torch.inference_mode():
        package.build(prepared.step, target)


if __name__ == "__main__":
    sys.exit(main())
