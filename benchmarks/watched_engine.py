"""The engine program, whose computing thread counts what its forward passes take.

It stands in for `serve_daemon.engine`, by `watched/python`. The counts lie in the file that the
environment names, which `token_path` reads meanwhile.
"""

import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from serve_daemon.engine import __main__ as program
from serve_daemon.engine import engines
from serve_daemon.wire.messages import EngineSpec

if TYPE_CHECKING:
    import torch

    from serve_daemon.engine.compiled.sequences import Batch
    from serve_daemon.engine.compiled.step import Compute
    from serve_daemon.engine.engines import Make

COUNTS_FILE = "SERVE_BENCHMARK_COUNTS"
LAYOUT = struct.Struct("4d")


class Counts(NamedTuple):
    """Of the computing thread since its first step, taken at the end of a forward pass."""

    steps: float = 0
    tokens: float = 0  # drawn
    thread_seconds: float = 0  # of the processor
    forward_seconds: float = 0  # of these


def counts_in(file: Path) -> Counts:
    """The counts as they are now; none before the first step."""
    while file.exists():
        first, second = file.read_bytes(), file.read_bytes()
        if first == second:  # else it was being written
            return Counts(*LAYOUT.unpack(first))
    return Counts()


class Watch:
    """Where the counts are left."""

    def __init__(self, file: Path) -> None:
        file.write_bytes(LAYOUT.pack(*Counts()))
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), 0)
        self._steps = 0
        self._forward_seconds = 0.0

    def add_forward(self, tokens: int, begun: float, ended: float) -> None:
        """Of one forward pass, by the clock of the thread; `tokens` were drawn before."""
        self._steps += 1
        self._forward_seconds += ended - begun
        LAYOUT.pack_into(self._memory, 0, self._steps, tokens, ended, self._forward_seconds)


def watching(make_implementation: Any, watch: Watch) -> Any:
    """What finds an engine's implementation, with the compiled one's loop watched."""

    def implementation(spec: EngineSpec) -> "Make":
        make: Make = make_implementation(spec)
        from serve_daemon.engine.compiled import engine, loop

        class WatchedLoop(loop.Loop):
            def __init__(self, *, compute: "Compute", **rest: Any) -> None:
                super().__init__(compute=self.watched(compute), **rest)

            def tell(self, command: loop.Command) -> None:
                if isinstance(command, loop.Use):
                    command = loop.Use(self.watched(command.compute))
                super().tell(command)

            def watched(self, compute: "Compute") -> "Compute":
                def compute_and_count(batch: "Batch") -> "torch.Tensor":
                    begun = time.thread_time()
                    logits = compute(batch)
                    watch.add_forward(self.generated_tokens, begun, time.thread_time())
                    return logits

                return compute_and_count

        engine.Loop = WatchedLoop  # type: ignore[attr-defined]
        return make

    return implementation


def main() -> int:
    if counts := os.environ.get(COUNTS_FILE):
        engines.implementation = watching(engines.implementation, Watch(Path(counts)))
    return program.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
