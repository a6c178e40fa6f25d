"""Streams of requests to the API, side by side, and how fast they were."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Any

from serve_daemon.cli.api import Answer, Api, ApiError

WORDS = ("stone", "river", "light", "paper", "green", "table", "north", "seven", "music", "glass")
TRIES = 4  # to get the length of a prompt right
TELL_SECONDS = 0.2  # between two looks at how far it is
STACK_BYTES = 512 * 1024  # of a thread that only waits

Document = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """What each stream asks for."""

    model: str
    prompt_tokens: int
    new_tokens: int
    rounds: int


@dataclass(frozen=True)
class Timing:
    """One request: seconds of one clock, and tokens as the API has counted them."""

    started: float
    pieces: tuple[float, ...]  # when text came
    ended: float
    input_tokens: int
    output_tokens: int


@dataclass
class Run:
    """What came of so many streams side by side."""

    streams: int
    timings: list[Timing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    is_whole: bool = True

    def figures(self) -> Document:
        """Seconds and tokens; null where nothing has been measured."""
        timings = self.timings
        first = [each.pieces[0] - each.started for each in timings if each.pieces]
        between = [later - one for each in timings for one, later in pairwise(each.pieces)]
        tokens = sum(each.output_tokens for each in timings)
        seconds = _span(timings)
        return {
            "streams": self.streams,
            "requests": len(timings),
            "failed": len(self.errors),
            "interrupted": not self.is_whole,
            "input_tokens": sum(each.input_tokens for each in timings),
            "output_tokens": tokens,
            "seconds": seconds,
            "tokens_per_second": tokens / seconds if seconds else None,
            "ttft_p50": percentile(first, 0.5),
            "ttft_p99": percentile(first, 0.99),
            "inter_token_p50": percentile(between, 0.5),
            "inter_token_p99": percentile(between, 0.99),
        }


class Streams:
    """So many streams, each with one request after the other, in threads of their own."""

    def __init__(self, api: Api, load: Load, count: int) -> None:
        self._api = api
        self._load = load
        self._is_over = threading.Event()
        self._open: set[Answer] = set()
        self._lock = threading.Lock()
        self._results: SimpleQueue[Timing | str | None] = SimpleQueue()
        self.run = Run(count)
        self.pieces = 0  # that have come so far

    def go(self, prompts: Callable[[], str], tell: Callable[["Streams"], None]) -> Run:
        """Until all have ended; `tell` is called again and again.

        Ctrl-C cancels what is open; the run is then not whole.
        """
        threading.stack_size(STACK_BYTES)
        asked = [[prompts() for _ in range(self._load.rounds)] for _ in range(self.run.streams)]
        threads = [
            threading.Thread(target=self._stream, args=(each,), daemon=True) for each in asked
        ]
        try:
            for thread in threads:
                thread.start()
            self._collect(len(threads), tell)
        except KeyboardInterrupt:
            self.run.is_whole = False
            self._cancel()
        return self.run

    def _collect(self, streams: int, tell: Callable[["Streams"], None]) -> None:
        while streams:
            try:
                result = self._results.get(timeout=TELL_SECONDS)
            except Empty:
                tell(self)
                continue
            match result:
                case None:
                    streams -= 1
                case str():
                    self.run.errors.append(result)
                case Timing():
                    self.run.timings.append(result)

    def _cancel(self) -> None:
        self._is_over.set()
        with self._lock:
            for answer in self._open:
                answer.cancel()

    def _stream(self, prompts: Sequence[str]) -> None:
        try:
            for prompt in prompts:
                if not self._is_over.is_set():
                    self._results.put(self._measure(prompt))
        except ApiError as error:
            self._results.put(str(error))
        finally:
            self._results.put(None)

    def _measure(self, prompt: str) -> Timing:
        started = time.perf_counter()
        with self._api.response(_body(self._load, prompt)) as answer:
            with self._lock:
                self._open.add(answer)
                if self._is_over.is_set():
                    answer.cancel()
            try:
                return self._watch(answer, started)
            finally:
                with self._lock:
                    self._open.discard(answer)

    def _watch(self, answer: Answer, started: float) -> Timing:
        pieces = []
        usage: Document = {}
        for event in answer.events():
            if event["type"].endswith(".delta"):
                pieces.append(time.perf_counter())
                self.pieces += 1
            elif event["type"] in ("response.completed", "response.incomplete"):
                usage = event["response"]["usage"]
        ended = time.perf_counter()
        given = usage["input_tokens"], usage["output_tokens"]
        return Timing(started, tuple(pieces), ended, *given)


class Prompts:
    """Texts of a length in tokens, no two with the same beginning: none is known to an engine."""

    def __init__(self, api: Api, model: str, tokens: int, seed: int) -> None:
        self._api = api
        self._model = model
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self.words = tokens
        for _ in range(TRIES):
            counted = self._count(self._text())
            if counted == tokens or self.words == 1:
                break
            self.words = max(self.words + _correction(tokens - counted, self.words, counted), 1)

    def __call__(self) -> str:
        return self._text()

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self.words))

    def _count(self, text: str) -> int:
        counted: int = self._api.post(
            "/v1/responses/input_tokens", {"model": self._model, "input": text}
        )["input_tokens"]
        return counted


def percentile(values: Sequence[float], share: float) -> float | None:
    """Linear between the two nearest ranks."""
    if not values:
        return None
    ranked = sorted(values)
    position = share * (len(ranked) - 1)
    below = int(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (position - below)


def _correction(missing: int, words: int, counted: int) -> int:
    """How many words more; a word is about as many tokens as it was so far."""
    return round(missing * words / counted) or (1 if missing > 0 else -1)


def _span(timings: Sequence[Timing]) -> float | None:
    if not timings:
        return None
    return max(each.ended for each in timings) - min(each.started for each in timings)


def _body(load: Load, prompt: str) -> Document:
    return {
        "model": load.model,
        "input": prompt,
        "max_output_tokens": load.new_tokens,
        "ignore_eos": True,  # so that all answers are of one length
        "store": False,
    }
