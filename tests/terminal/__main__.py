"""Makes the pictures of the README: servectl on a terminal, over real models.

python -m terminal DIRECTORY
"""

import argparse
import asyncio
import os
import tempfile
from asyncio.subprocess import DEVNULL
from pathlib import Path

from browser.scenes import REAL
from cli.pseudo_terminal import Terminal
from integration.daemon import RunningDaemon
from terminal.shots import Shots

TREND_SAMPLES = 24
TOP_LINES = 12
SMALLER = "[models.smollm2]\n", "[models.smollm2]\nmax_requests = 16\n"
# What no machine has the memory for that makes pictures.
FAILED = REAL.failed.replace("8192", "65536")
STREAMS = 4
LOAD = ("bench", REAL.ready, "--streams", str(STREAMS), "--new-tokens", "1000")
PATIENCE_SECONDS = 300.0  # a first start compiles


def says(output: str) -> None:
    print(output)  # noqa: T201 - as make does


def write(daemon: RunningDaemon, models: str) -> None:
    daemon.write(f"[control]\nwatch = false\n{models}", fake=False)


async def serving(daemon: RunningDaemon) -> None:
    """One model answers, one is asleep."""
    write(daemon, REAL.served)
    await daemon.start()
    await daemon.until_model(REAL.ready, state="ready")
    await daemon.until_true(lambda: not is_compiling(daemon))


def is_compiling(daemon: RunningDaemon) -> bool:
    replicas = daemon.model(REAL.ready)["replicas"]
    return any(each["progress"] == "compiling" for each in replicas)


def is_running(daemon: RunningDaemon) -> bool:
    """Whether all that was asked is at work, by what gateways and engines say."""
    model = daemon.model(REAL.ready)
    running = sum(each["running"] for each in model["replicas"])
    return (model["open_requests"], running) == (STREAMS, STREAMS)


async def under_load(daemon: RunningDaemon, shots: Shots) -> None:
    """`top` while `bench` asks, and what `bench` has found."""

    def until(terminal: Terminal) -> None:
        for _ in range(TREND_SAMPLES):
            terminal.until("\x1b[J", len(terminal.written))

    bench = ("bench", REAL.ready, "--streams", "1,4,16", "--new-tokens", "200", "--rounds", "3")
    asked = asyncio.create_task(asyncio.to_thread(shots.of_command, "bench", *bench))
    await daemon.until_true(lambda: daemon.model(REAL.ready)["open_requests"])
    says(str(await asyncio.to_thread(shots.of_screen, "top", TOP_LINES, until, "top")))
    says(str(await asked))


async def changing(daemon: RunningDaemon, shots: Shots) -> None:
    """A plan of a smaller model more; then the state in which one loads and one has failed."""
    write(daemon, REAL.served.replace(*SMALLER) + REAL.loading)
    says(str(await asyncio.to_thread(shots.of_command, "plan", "plan")))
    daemon.write("[control]\nwatch = false\n" + REAL.served + REAL.loading + FAILED, fake=False)
    await daemon.ask("Reload", wait=False)
    await daemon.until_model(REAL.fails, state="failed")
    asked = await asyncio.create_subprocess_exec(*daemon.servectl(*LOAD), stdout=DEVNULL)
    await daemon.until_true(lambda: is_running(daemon))
    says(str(await asyncio.to_thread(shots.of_command, "status", "status")))
    asked.terminate()
    await asked.wait()


async def main(into: Path, cache: str) -> None:
    """A daemon in a directory of its own, but with what earlier starts have compiled."""
    with tempfile.TemporaryDirectory(prefix="serve-daemon-") as directory:
        daemon = RunningDaemon(Path(directory))
        daemon.patience_seconds = PATIENCE_SECONDS
        daemon.environment["XDG_CACHE_HOME"] = cache
        usual = {str(daemon.file): "/etc/serve.toml", f":{daemon.port}": ":8000"}
        shots = Shots(into, daemon.socket, usual)
        try:
            await serving(daemon)
            await under_load(daemon, shots)
            await changing(daemon, shots)
        finally:
            await daemon.end()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="terminal", description=__doc__)
    parser.add_argument("into", type=Path)
    parser.add_argument("--cache", default=os.environ.get("XDG_CACHE_HOME", ".cache"))
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.into, str(Path(options.cache).absolute())))
