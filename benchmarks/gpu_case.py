"""One engine with one model of random weights and so many streams: a process of its own.

The case comes as JSON on stdin, the outcome goes as JSON to stdout. Its memory ends with it.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

import limits
from engine_here import engine_here
from processes import ServerError
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import EngineSpec
from step_groups import HOST
from step_profile import profile

CASE_SECONDS = 900.0


class Case(Struct, frozen=True):
    spec: EngineSpec
    cache: str
    num_streams: int
    context_tokens: int  # of each stream, in the middle of what is measured
    num_steps: int


class Outcome(Struct, frozen=True):
    """What came of a case; figures are 0 where it failed."""

    tokens_per_second: float = 0.0
    best_seconds: float = 0.0  # of a step, by what it reads
    host_seconds: float = 0.0  # of a step, in which the device had nothing to do
    device: str = ""
    failure: str = ""

    @property
    def words(self) -> str:
        return self.failure or f"answers, {self.tokens_per_second:.1f} tokens/s"


def outcome_of(case: Case) -> Outcome:
    """Run `case` in a process of its own. What fails there is told, not raised."""
    try:
        ran = subprocess.run(
            [sys.executable, __file__],
            input=msgspec.json.encode(case),
            capture_output=True,
            check=True,
            timeout=CASE_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Outcome(failure=f"ended with status {error.returncode}: {last[:200]}")
    except subprocess.TimeoutExpired:
        return Outcome(failure=f"not done within {CASE_SECONDS:.0f} s")
    return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Outcome)


def measured(case: Case) -> Outcome:
    """Raises `EngineError` and `ServerError`."""
    here = engine_here(case.spec, Path(case.cache))
    limit = limits.measure(here.loaded.device)
    found = profile(
        here, case.num_streams, case.num_steps, case.context_tokens - 2 * case.num_steps
    )
    return Outcome(
        tokens_per_second=case.num_streams / found.step_seconds,
        best_seconds=found.demand.seconds_at(limit)[0],
        host_seconds=found.shares[HOST] * found.step_seconds,
        device=f"{_name(here.loaded.device)}, {limit.bytes_per_second / 1e9:.0f} GB/s",
    )


def _name(device: str) -> str:
    import torch

    return "a CPU" if device == "cpu" else torch.cuda.get_device_name(device)


def main() -> None:
    case = msgspec.json.decode(sys.stdin.buffer.read(), type=Case)
    try:
        outcome = measured(case)
    except (EngineError, ServerError) as error:
        outcome = Outcome(failure=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    sys.stdout.flush()
    os._exit(0)  # a computing thread may still wait for work


if __name__ == "__main__":
    main()
