"""What a token costs of the processor beside the model's step: loop, sampler, wire, gateway.

    make bench-token-path

A whole daemon with the compiled engine and the real model is asked by many streams at once. What
the forward passes take is counted in the engine and left out; the rest of its computing thread is
the loop, the sampler and the frames, its main thread takes in requests. The engine computes with
one thread, so that no other one has a part in that.
"""

import argparse
import asyncio
import datetime as dt
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import uvloop

import sections
from bench import machine
from clients import Target, ask
from first_start import has_package, wait_for_package
from gateway_usage import child_of, gateway_of
from processes import (
    FILE,
    SOURCE,
    ServerError,
    free_port,
    running,
    seconds_to_first_answer,
    stop_servers_when_terminated,
)
from watched_engine import COUNTS_FILE, Counts, counts_in
from workload import prompts

RATE = 1000  # tokens a second, of which the shares of a core are told
MOST_SHARE = 0.15
MODEL = "measured"
GIVE_UP_SECONDS = 300.0
PACKAGE_SECONDS = 900.0
WATCHED_PYTHON = Path(__file__).parent / "watched" / "python"
SERVE = """
[server]
listen = ["127.0.0.1:{port}"]
[engine]
python = "{python}"
[models.{model}]
source = "{source}"
engine = "compiled"
threads = 1{more}
"""
KINDS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "temperature 0.8, top-p 0.95": {"temperature": 0.8, "top_p": 0.95},
    "temperature 1": {"temperature": 1.0},
}
HEAD = (
    "| sampling | streams | a step: loop, sampler, frames (µs) | engine's main thread (µs)"
    f" | gateway (µs) | at {RATE:,} tokens/s: loop, sampler, frames (% of a core) | main thread"
    " | gateway | all |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Seen(NamedTuple):
    """Processor time so far."""

    counts: Counts
    engine_main_seconds: float
    gateway_seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a token, in seconds of the processor, beside the forward pass."""

    tokens_per_step: float
    loop: float
    main: float
    gateway: float

    @property
    def whole(self) -> float:
        return self.loop + self.main + self.gateway


class Parts(NamedTuple):
    """The processes of a daemon that serves, and where its engine's counts are."""

    target: Target
    engine: psutil.Process
    gateway: psutil.Process
    counts: Path


def look(parts: Parts) -> Seen:
    return Seen(
        counts_in(parts.counts),
        thread_seconds(parts.engine.pid, parts.engine.pid),
        sum(thread_seconds(parts.gateway.pid, each.id) for each in parts.gateway.threads()),
    )


def thread_seconds(pid: int, thread: int) -> float:
    """To the nanosecond, as scheduling counts it (Documentation/scheduler/sched-stats.rst)."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9


def cost_between(before: Seen, after: Seen) -> Cost:
    """Raises `ServerError` where nothing was computed."""
    counts = Counts(*(b - a for a, b in zip(before.counts, after.counts, strict=True)))
    if not counts.tokens:
        raise ServerError("the engine drew no token meanwhile")
    return Cost(
        counts.tokens / counts.steps,
        (counts.thread_seconds - counts.forward_seconds) / counts.tokens,
        (after.engine_main_seconds - before.engine_main_seconds) / counts.tokens,
        (after.gateway_seconds - before.gateway_seconds) / counts.tokens,
    )


async def play(
    parts: Parts, fields: dict[str, Any], streams: int, chosen: argparse.Namespace
) -> tuple[Seen, Seen]:
    """What was seen when every stream was well begun, and when all had their tokens."""
    steady, over = asyncio.Event(), asyncio.Event()
    num_texts = [0] * streams
    target = replace(parts.target, more=fields)
    questions = prompts(chosen.seed)

    def count(stream: int) -> None:
        num_texts[stream] += 1
        if min(num_texts) >= chosen.before:
            steady.set()
        if sum(num_texts) >= chosen.tokens * streams:
            over.set()

    async def one(stream: int) -> None:
        while True:
            await ask(target, next(questions), chosen.tokens, lambda: count(stream))

    tasks = [asyncio.create_task(one(stream)) for stream in range(streams)]
    await steady.wait()
    before = look(parts)
    await over.wait()
    after = look(parts)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return before, after


@contextmanager
def daemon(directory: Path, chosen: argparse.Namespace) -> Iterator[Parts]:
    """One that serves with its compiled step."""
    port, counts, log = free_port(), directory / "counts", directory / "log"
    file = directory / "serve.toml"
    names = {"python": WATCHED_PYTHON, "model": MODEL, "source": chosen.source}
    file.write_text(SERVE.format(port=port, more=chosen.more.replace(", ", "\n"), **names))
    environment = {
        COUNTS_FILE: str(counts),
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "XDG_STATE_HOME": str(directory / "state"),
        "XDG_CACHE_HOME": str(chosen.cache or directory / "cache"),
    }
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]
    with running(command, environment, log) as process:
        seconds_to_first_answer(process, port, MODEL, GIVE_UP_SECONDS)
        wait_for_package(process, lambda: has_package(log, None), PACKAGE_SECONDS)
        engine = child_of(process.pid, "watched_engine")
        yield Parts(Target(port, MODEL, GIVE_UP_SECONDS), engine, gateway_of(process.pid), counts)


def row(kind: str, streams: int, costs: Sequence[Cost]) -> str:
    def median(figure: Callable[[Cost], float]) -> float:
        return statistics.median(figure(each) for each in costs)

    of_step = (
        median(lambda cost: 1e6 * cost.loop * cost.tokens_per_step),
        median(lambda cost: 1e6 * cost.main * cost.tokens_per_step),
        median(lambda cost: 1e6 * cost.gateway * cost.tokens_per_step),
    )
    of_core = (
        median(lambda cost: 100 * RATE * cost.loop),
        median(lambda cost: 100 * RATE * cost.main),
        median(lambda cost: 100 * RATE * cost.gateway),
        median(lambda cost: 100 * RATE * cost.whole),
    )
    cells = [f"{each:.0f}" for each in of_step] + [f"{each:.3g}" for each in of_core]
    return f"| {kind} | {streams} | {' | '.join(cells)} |"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    add("--streams", type=int, nargs="+", default=[1, 32])
    add("--tokens", type=int, default=192, help="of each stream's answer")
    add("--before", type=int, default=16, help="tokens at its begin that do not count")
    add("--source", default=SOURCE)
    add("--more", default="", help="further keys of the model, as in a file, each after a comma")
    add("--cache", type=Path, help="where converted weights and packages are; by default nowhere")
    add("--rounds", type=int, default=3)
    add("--seed", type=int, default=0, help="which prompts are asked")
    add("--write", action="store_true", help="put the section into RESULTS.md")
    return parser.parse_args()


def body_of(chosen: argparse.Namespace, rows: Sequence[str]) -> str:
    model = FILE if chosen.source == SOURCE else "another model"
    about = (
        f"Written by `make bench-token-path`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()},"
        f" {model}, chat completions, streamed; medians of {chosen.rounds} rounds. Loop, sampler"
        " and frames: the engine's computing thread without the forward pass; its main thread takes"
        f" in requests. Together they may take {MOST_SHARE:.0%} of a core at {RATE:,} tokens/s and"
        " 32 streams; the rows of one stream are about the length of a step."
    )
    return "\n\n".join([about, "\n".join([HEAD, *rows])])


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    print(HEAD, flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as directory, daemon(Path(directory), chosen) as parts:
        for kind in chosen.kinds:
            for streams in chosen.streams:
                rounds = [
                    uvloop.run(play(parts, KINDS[kind], streams, chosen))
                    for _ in range(chosen.rounds)
                ]
                rows.append(row(kind, streams, [cost_between(*each) for each in rounds]))
                print(rows[-1], flush=True)
    if chosen.write:
        sections.store(sections.TOKEN_PATH, body_of(chosen, rows))


if __name__ == "__main__":
    main()
