"""The first start of a daemon: what it converts and compiles, so that later ones find it done."""

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from contestants import Contestant
from processes import ServerError, free_port, running, seconds_to_first_answer

PACKAGE_SECONDS = 900.0  # for building a package beside serving, on two cores
KEPT_SECONDS = 30.0  # within which a model is kept for later starts, once its package is in use
POLL_SECONDS = 0.25
IN_USE = re.compile(r"compiled step in use")
KEPT = re.compile(r"the next start does without the model|the next start has to load the model")


@dataclass(frozen=True, slots=True)
class FirstStart:
    """How long it took from exec, and until the package was in use where one is built."""

    ready_seconds: float
    package_seconds: float | None

    def line(self, name: str) -> str:
        """Of a report."""
        said = f"first start of all of {name}, exec to the first answer: {self.ready_seconds:.1f} s"
        if self.package_seconds is None:
            return said
        return f"{said}; to the compiled step: {self.package_seconds:.1f} s"


def first_start(contestant: Contestant, give_up_seconds: float) -> FirstStart:
    """Start it once and leave its cache warm.

    Raises `ServerError` where it does not answer, or does not build what it should.
    """
    port = free_port()
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        start = time.monotonic()
        with running(contestant.command(port), contestant.environment, log) as process:
            ready = seconds_to_first_answer(process, port, contestant.model, give_up_seconds)
            if not contestant.builds_a_package:
                return FirstStart(ready, None)
            wait_for_package(process, lambda: has_package(log, contestant.cache), PACKAGE_SECONDS)
            package = time.monotonic() - start
            wait_until_kept(process, log, KEPT_SECONDS)
            return FirstStart(ready, package)


def has_package(log: Path, cache: Path | None) -> bool:
    """Whether the engine says that it computes with its package.

    A package in the cache is enough where there are no words of it: the next start takes it.
    """
    if IN_USE.search(log.read_text(errors="replace")):
        return True
    found = [] if cache is None else list(cache.rglob("*.pt2"))
    return any(".partial" not in str(each) for each in found)


def wait_for_package(
    process: subprocess.Popen[bytes], is_there: Callable[[], bool], seconds: float
) -> None:
    """Wait until there is a package. Raises `ServerError` after `seconds`, or without `process`."""
    start = time.monotonic()
    while not is_there():
        if process.poll() is not None:
            raise ServerError(
                f"ended with status {process.returncode} before its package was built"
            )
        if time.monotonic() - start > seconds:
            raise ServerError(f"no package within {seconds:.0f} s; its log may say why")
        time.sleep(POLL_SECONDS)


def wait_until_kept(process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Wait for the engine to say that the next start can do without the model, or can't.

    Some models are not kept, which it does not say: after `seconds` this returns all the same.
    """
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < seconds:
        if KEPT.search(log.read_text(errors="replace")):
            return
        time.sleep(POLL_SECONDS)
