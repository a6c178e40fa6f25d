"""Programs that an engine has run beside it: what they are told, and how they say why they fail."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from serve_daemon.engine.death import die_with_parent
from serve_daemon.engine.errors import EngineError, classify
from serve_daemon.wire.messages import Reason

FAILED = 1  # the status of a program that has said why


class Failure(Struct, frozen=True):
    """As a program writes it to its stdout."""

    reason: Reason
    message: str


class Child:
    """The program `module`, which has been given its `order` and runs."""

    def __init__(self, module: str, order: Struct) -> None:
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        pipe: Any = self._process.stdin
        pipe.write(msgspec.json.encode(order))
        pipe.close()

    def wait(self) -> None:
        """Return when it has done its work. Raises `EngineError` where it has failed."""
        pipe: Any = self._process.stdout
        said = pipe.read()
        pipe.close()
        status = self._process.wait()
        if status == FAILED and said:
            failure = msgspec.json.decode(said, type=Failure)
            raise EngineError(failure.reason, failure.message)
        if status:
            raise EngineError(Reason.INTERNAL, f"{self._module} ended with status {status}")


def run(work: Callable[[bytes], None]) -> int:
    """The life of such a program, whose `work` gets its order; the status to end with."""
    die_with_parent()
    try:
        work(sys.stdin.buffer.read())
    except Exception as error:  # noqa: BLE001 - told to the engine, which says it on
        failure = classify(error)
        told = Failure(failure.reason, failure.message)
        sys.stdout.buffer.write(msgspec.json.encode(told))
        return FAILED
    return 0
