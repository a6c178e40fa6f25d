"""What is done to a daemon that serves, and how long its clients wait until it is over."""

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from clients import Target, ask
from contestants import MODEL, daemon
from first_start import PACKAGE_SECONDS, has_package, wait_for_package
from processes import SOURCE, ServerError, free_port, running, seconds_to_first_answer
from serve_daemon.control.client import Client
from workload import long_prompts

HANG_SECONDS = 5.0  # the default is 60, and would be most of the figure
# Every round as if it were the first crash: no delay that has doubled, no giving up.
SETTINGS = f", hang_timeout = {HANG_SECONDS}, restart_delay_max = 0.5, start_limit = 1000"
TEXTS_BEFORE = 8  # of each stream, before the signal
TEXTS_AFTER = 8  # more than can be on their way when it comes
STREAM_TOKENS = 1500
SHARED_TOKENS = 128  # of their prompts: enough for the gateway to send them to one replica
SMALL_CONTEXT, LARGE_CONTEXT, BETWEEN = 256, 2048, 400
POLL_SECONDS = 0.02


def silence_end(texts_seconds: Sequence[float], at: float) -> float:
    """When the longest gap that ends after `at` does: what comes sooner was on its way already."""
    gaps = [(later - earlier, later) for earlier, later in pairwise(texts_seconds) if later > at]
    return max(gaps)[1]


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that serves the model with one engine, in so many replicas."""

    directory: Path
    port: int
    replicas: int
    give_up_seconds: float

    @property
    def target(self) -> Target:
        return Target(self.port, MODEL, self.give_up_seconds, {"ignore_eos": True})

    def edit(self, engine: str, source: str, more: str) -> None:
        daemon(engine, self.directory, source, more).command(self.port)

    def model(self) -> dict[str, Any]:
        client = Client(self.directory / "run" / "serve-daemon" / "control.sock")
        try:
            found: dict[str, Any] = client.call("Status", model=MODEL)["models"][0]
            return found
        finally:
            client.close()

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status of the model that is so."""
        async with asyncio.timeout(self.give_up_seconds):
            while not holds(model := self.model()):  # noqa: ASYNC110 - no event tells of a beat
                await asyncio.sleep(POLL_SECONDS)
        return model

    def is_at_rest(self, model: dict[str, Any]) -> bool:
        """Whether every replica serves, has nothing to do, and nothing else is there."""
        states = [(each["role"], each["running"]) for each in model["replicas"]]
        return states == [("serving", 0)] * self.replicas


@contextmanager
def served(chosen: argparse.Namespace, engine: str, more: str, replicas: int) -> Iterator[Running]:
    """Raises `ServerError` where it does not answer."""
    with tempfile.TemporaryDirectory() as name:
        directory, port, log = Path(name), free_port(), Path(name) / "log"
        more = f"{chosen.more}{SETTINGS}{more}, replicas = {replicas}"
        contestant = daemon(engine, directory, chosen.source, more)
        environment = contestant.environment | {"CACHE_DIRECTORY": str(chosen.cache.absolute())}
        with running(contestant.command(port), environment, log) as process:
            seconds_to_first_answer(process, port, MODEL, chosen.give_up)
            if contestant.builds_a_package and chosen.source == SOURCE:
                wait_for_package(process, lambda: has_package(log, None), PACKAGE_SECONDS)
            yield Running(directory, port, replicas, chosen.give_up)


# ---------------------------------------------------------------- a signal


class Streams:
    """Several streams of one model, and when each had text."""

    def __init__(self, number: int) -> None:
        self.texts: list[list[float]] = [[] for _ in range(number)]
        self._changed = asyncio.Event()

    def on_text(self, stream: int) -> None:
        self.texts[stream].append(time.monotonic())
        self._changed.set()

    async def until_each_has(self, number: int, since: float) -> None:
        while any(sum(at > since for at in each) < number for each in self.texts):
            self._changed.clear()
            await self._changed.wait()


async def signalled(
    served: Running, number: signal.Signals, num_streams: int, seed: int
) -> list[float]:
    """Seconds from the signal to the next token, of each stream that the engine had."""
    await served.until(served.is_at_rest)
    streams = Streams(num_streams)
    # One beginning for all, so that they go to one replica.
    prompt = next(long_prompts(seed, SHARED_TOKENS))
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(
                ask(
                    served.target,
                    f"{prompt} {stream}",
                    STREAM_TOKENS,
                    lambda stream=stream: streams.on_text(stream),  # type: ignore[misc]
                )
            )
            for stream in range(num_streams)
        ]
        await streams.until_each_has(TEXTS_BEFORE, 0.0)
        pid = _engine_of(await served.until(lambda model: _has_all(model, num_streams)))
        at = time.monotonic()
        os.kill(pid, number)
        await streams.until_each_has(TEXTS_AFTER, at)
        for each in asked:
            each.cancel()
    return [silence_end(each, at) - at for each in streams.texts]


def _has_all(model: dict[str, Any], num_streams: int) -> bool:
    return any(each["running"] == num_streams for each in model["replicas"])


def _engine_of(model: dict[str, Any]) -> int:
    return int(max(model["replicas"], key=lambda each: int(each["running"]))["pid"])


# ---------------------------------------------------------------- an edit


async def edited(served: Running, chosen: argparse.Namespace, engine: str) -> float:
    """Seconds from the writing of the file to a token that only the new engine can give."""
    more = f"{chosen.more}{SETTINGS}, max_context = "
    served.edit(engine, chosen.source, f"{more}{SMALL_CONTEXT}, replicas = 1")
    await served.until(
        lambda model: served.is_at_rest(model) and model["max_context"] == SMALL_CONTEXT
    )
    prompt = next(long_prompts(0, BETWEEN))
    served.edit(engine, chosen.source, f"{more}{LARGE_CONTEXT}, replicas = 1")
    at = time.monotonic()
    async with asyncio.timeout(chosen.give_up):
        while True:
            try:
                return (await ask(served.target, prompt, 1)).texts_seconds[0] - at
            except ServerError as error:
                if "status 400" not in str(error):
                    raise
            await asyncio.sleep(POLL_SECONDS)
