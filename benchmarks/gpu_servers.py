"""Servers with a model of random weights: how fast their streams decode, over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

import figures
import shapes
from clients import Target, closed_loop
from contestants import BATCHING, Contestant, daemon, transformers_serve_of
from first_start import PACKAGE_SECONDS, has_package, wait_for_package
from gpu_case import Outcome
from processes import ServerError, free_port, running, seconds_to_first_answer

START_SECONDS = 900.0
BATCHING_ON_GPU = ("--continuous-batching",)  # there it knows itself how much memory it may take
PEER = "transformers serve --continuous-batching"


@dataclass(frozen=True, slots=True)
class Load:
    """What a server is asked."""

    num_streams: int
    prompt_tokens: int
    new_tokens: int


def peer(folder: Path, python: str, device: str) -> Contestant:
    """Transformers' own server; it has no random weights of its own making."""
    shapes.write_weights(folder, device)
    batching = BATCHING if device == "cpu" else BATCHING_ON_GPU
    return transformers_serve_of(str(folder), python, ("--device", device, *batching), 32)


def ours(engine: str, folder: Path, scratch: Path, device: str) -> Contestant:
    more = f', device = "{device}", load_format = "dummy"'
    return daemon(engine, scratch, str(folder), more)


def outcomes_of(contestant: Contestant, loads: Sequence[Load]) -> list[Outcome]:
    """One for each load, of one start. What fails is told, not raised."""
    port = free_port()
    try:
        with TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            with running(contestant.command(port), contestant.environment, log) as process:
                seconds_to_first_answer(process, port, contestant.model, START_SECONDS)
                if contestant.builds_a_package:
                    wait_for_package(process, lambda: has_package(log, None), PACKAGE_SECONDS)
                target = Target(port, contestant.model, START_SECONDS)
                return [_outcome(target, load) for load in loads]
    except ServerError as error:
        return [Outcome(failure=str(error))] * len(loads)


def _outcome(target: Target, load: Load) -> Outcome:
    try:
        return Outcome(tokens_per_second=_rate(target, load))
    except (ServerError, ValueError) as error:
        return Outcome(failure=str(error))


def _rate(target: Target, load: Load) -> float:
    """The better one of two tries: the first one compiles, captures and allocates."""

    def streams(attempt: int) -> list[list[str]]:
        seeds = range(attempt * load.num_streams, (attempt + 1) * load.num_streams)
        return [[shapes.prompt_of(load.prompt_tokens, seed)] for seed in seeds]

    rates = []
    for attempt in range(2):
        replies = uvloop.run(closed_loop(target, streams(attempt), load.new_tokens))
        rates.append(figures.steady_rate(replies))
    return max(rates)
