"""An engine of the daemon in this process: loaded as its program does it, and asked directly."""

import argparse
import itertools
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import structlog

from figures import Reply
from processes import ServerError
from serve_daemon.engine import engines, loader
from serve_daemon.engine.loader import Loaded
from serve_daemon.engine.program import SPINNING
from serve_daemon.engine.protocol import Embedder, Engine, Outputs
from serve_daemon.wire.messages import EngineSpec, Finish, Output, Phase, Submit
from serve_daemon.wire.sampling import Sampling

OWNER = 0
GREEDY = Sampling(temperature=0.0)
SILENCE_SECONDS = 600.0  # without a step, after which an engine is given up
PACKAGE_SECONDS = 900.0  # for building what an engine computes with later
ANNOUNCEMENT_SECONDS = 3.0  # in which an engine says that it builds something
# As the compiled engine logs it.
BUILDING = "compiling the step, serving uncompiled meanwhile"
IN_USE = "compiled step in use"
IN_VAIN = "the step can't be compiled, serving it uncompiled"


def spec_of(engine: str, chosen: argparse.Namespace) -> EngineSpec:
    """What the options of a command say of the model."""
    return EngineSpec(
        "measured",
        chosen.source,
        engine=engine,
        dtype=chosen.dtype,
        device=chosen.device,
        load_format=chosen.load_format,
    )


class Listener:
    """The sink of an engine: hands the outputs of each step, with their time, to another thread."""

    def __init__(self) -> None:
        self._heard: SimpleQueue[tuple[float, Outputs | BaseException]] = SimpleQueue()

    def step(self, outputs: Outputs) -> None:
        self._heard.put((time.monotonic(), outputs))

    def fatal(self, error: BaseException) -> None:
        self._heard.put((time.monotonic(), error))

    @property
    def is_behind(self) -> bool:
        """Whether a step ended that nobody asked for yet."""
        return not self._heard.empty()

    def next(self) -> tuple[float, list[Output]]:
        """When a step ended, by the monotonic clock, and what it did.

        Raises `ServerError` where the engine has ended or does not step.
        """
        try:
            seconds, heard = self._heard.get(timeout=SILENCE_SECONDS)
        except Empty:
            raise ServerError(f"no step within {SILENCE_SECONDS:.0f} s") from None
        if isinstance(heard, BaseException):
            raise ServerError(f"the engine ended: {heard}") from heard
        return seconds, heard.get(OWNER, [])


@dataclass(slots=True)
class Here:
    """A started engine, the model that it computes, and what it says."""

    engine: Engine
    loaded: Loaded
    listener: Listener
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def submit(self, tokens: list[int], num_tokens: int, stop_tokens: Sequence[int] = ()) -> int:
        """Begin a greedy sequence; its number."""
        number = next(self.numbers)
        self.engine.submit(
            OWNER, Submit(number, f"r{number}", tokens, num_tokens, list(stop_tokens), GREEDY)
        )
        return number


def num_cores() -> int:
    return len(os.sched_getaffinity(0))


def engine_here(spec: EngineSpec, cache: Path) -> Here:
    """The engine of `spec`, started, with all cores of this machine for it, until the process ends.

    One that compiles does so before this returns, if `cache` holds no package of it yet.
    Raises `EngineError` where it can't be, `ServerError` where it doesn't compile.
    """
    log = EngineLog()
    for name, value in SPINNING.items():
        os.environ.setdefault(name, value)  # read when torch is imported
    # As an engine's program does, in a thread that ends. OpenMP keeps a pool for each thread that
    # ever computed; with more pooled threads than cores it lets them sleep after each operation.
    with ThreadPoolExecutor(1) as loading:
        here = loading.submit(_load, spec, cache).result()
    if spec.engine == "compiled":
        log.wait_for_package(must_come=here.loaded.device == "cpu")
    return here


def _load(spec: EngineSpec, cache: Path) -> Here:
    checkpoint = loader.locate(spec, _ignore)
    import torch

    make = engines.implementation(spec)
    torch.set_num_threads(num_cores())
    loaded = loader.load(spec, checkpoint, cache, _ignore)
    engine = make(loaded, spec, num_cores())
    if isinstance(engine, Embedder):
        raise SystemExit(f"engine {spec.engine} generates nothing to be measured")
    listener = Listener()
    engine.start(listener)
    engine.use_threads(num_cores())
    return Here(engine, loaded, listener)


class EngineLog:
    """What the engines of this process log, which goes to stderr, and what follows from it."""

    def __init__(self) -> None:
        self._has_begun = threading.Event()
        self._has_ended = threading.Event()
        self._failure = ""
        structlog.configure(
            processors=[self._watch, structlog.processors.JSONRenderer()],
            logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        )

    def wait_for_package(self, *, must_come: bool) -> None:
        """Return when what was being built is in use; unless it must come, nothing may be built.

        Raises `ServerError` where that fails, or takes too long.
        """
        if not must_come and not self._has_begun.wait(ANNOUNCEMENT_SECONDS):
            return
        if not self._has_ended.wait(PACKAGE_SECONDS):
            raise ServerError(f"no compiled step within {PACKAGE_SECONDS:.0f} s")
        if self._failure:
            raise ServerError(f"the step can't be compiled: {self._failure}")

    def _watch(self, _logger: Any, _method: str, event: Any) -> Any:
        match event.get("event"):
            case text if text == BUILDING:
                self._has_begun.set()
            case text if text == IN_USE:
                self._has_begun.set()
                self._has_ended.set()
            case text if text == IN_VAIN:
                self._failure = str(event.get("error", ""))
                self._has_ended.set()
        return event


def _ignore(phase: Phase, detail: str, done: int, total: int) -> None:
    del phase, detail, done, total


@dataclass(slots=True)
class _Open:
    stream: deque[list[int]]
    started_seconds: float
    prompt_tokens: int
    texts_seconds: list[float] = field(default_factory=list)


class ClosedLoop:
    """Each stream asks its prompts one after the other; all streams at once."""

    def __init__(self, here: Here, num_tokens: int, stop_tokens: Sequence[int] = ()) -> None:
        self._here = here
        self._num_tokens = num_tokens
        self._stop_tokens = stop_tokens
        self._open: dict[int, _Open] = {}

    def run(self, streams: Sequence[Sequence[list[int]]]) -> list[Reply]:
        """The replies, once all are complete. Raises `ServerError` for one that is not."""
        for prompts in streams:
            self._ask(deque(prompts))
        replies: list[Reply] = []
        while self._open:
            seconds, outputs = self._here.listener.next()
            replies += [reply for each in outputs if (reply := self._take(seconds, each))]
        return replies

    def _ask(self, stream: deque[list[int]]) -> None:
        if stream:
            prompt = stream.popleft()
            started = time.monotonic()
            number = self._here.submit(prompt, self._num_tokens, self._stop_tokens)
            self._open[number] = _Open(stream, started, len(prompt))

    def _take(self, seconds: float, output: Output) -> Reply | None:
        one = self._open[output.sequence]
        if output.finish in (Finish.ERROR, Finish.REFUSED):
            raise ServerError(f"a sequence failed: {output.error}")
        one.texts_seconds += [seconds] * len(output.tokens)
        if output.finish is None:
            return None
        del self._open[output.sequence]
        self._ask(one.stream)
        times = tuple(one.texts_seconds)
        return Reply(one.started_seconds, times, seconds, one.prompt_tokens, len(times))
