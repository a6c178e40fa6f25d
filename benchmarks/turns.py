"""One contestant's turn in a round: start it, ask it everything, weigh it, stop it."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import msgspec
import psutil
import uvloop

import figures
import weighing
from clients import Target, ask, closed_loop, open_loop
from contestants import Contestant, InProcess
from figures import Figure, Measured
from in_process import measured_from
from processes import (
    ServerError,
    free_port,
    memory_of,
    others_share,
    running,
    seconds_to_first_answer,
    used_seconds,
)
from workload import (
    NEW_TOKENS,
    NUM_LONG_PROMPTS,
    label,
    long_prompts,
    num_requests,
    poisson_arrivals,
    prompts,
)

EXCERPT_CHARACTERS = 200
Anyone = TypeVar("Anyone")

# A machine at rest says how far the figures can be believed.
WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What every server is asked in a turn."""

    streams: tuple[int, ...]
    requests_per_stream: int
    rate_per_second: float
    num_arrivals: int
    give_up_seconds: float
    seed: int
    idle_seconds: float = 0.0  # above 0 the server is weighed too, at work and at rest


@dataclass(slots=True)
class Turn:
    """What came of it: all that was measured before the failure, if there was one."""

    measured: Measured = field(default_factory=dict)
    failure: str = ""
    others_busy_percent: float = 0.0


def take(contestant: Contestant | InProcess, plan: Plan) -> Turn:
    """Raises nothing that the contestant is to blame for."""
    turn = Turn(others_busy_percent=psutil.cpu_percent(WATCH_SECONDS))
    match contestant:
        case Contestant():
            _take_over_http(contestant, plan, turn)
        case InProcess():
            _take_in_process(contestant, plan, turn)
    return turn


def _take_in_process(contestant: InProcess, plan: Plan, turn: Turn) -> None:
    arguments = ["--streams", *map(str, plan.streams), "--seed", str(plan.seed)]
    arguments += ["--requests", str(plan.requests_per_stream)]
    limit = plan.give_up_seconds * (len(plan.streams) + 2)
    try:
        ran = subprocess.run(
            contestant.command(arguments), capture_output=True, check=True, timeout=limit
        )
        turn.measured |= measured_from(ran.stdout)
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        turn.failure = f"ended with status {error.returncode}: {last[:EXCERPT_CHARACTERS]}"
    except subprocess.TimeoutExpired:
        turn.failure = f"not done within {limit:.0f} s"
    except msgspec.DecodeError as error:
        turn.failure = f"printed no figures: {error}"


def _take_over_http(contestant: Contestant, plan: Plan, turn: Turn) -> None:
    port = free_port()
    try:
        with running(contestant.command(port), contestant.environment) as process:
            ready = seconds_to_first_answer(process, port, contestant.model, plan.give_up_seconds)
            turn.measured[Figure("exec to the first answer, caches warm", "s")] = ready
            target = Target(port, contestant.model, plan.give_up_seconds)
            before = used_seconds(process.pid)
            uvloop.run(_measure(target, contestant, plan, turn.measured))
            share = others_share(before, used_seconds(process.pid))
            turn.measured[Figure("used by others meanwhile", "% of the cores", None)] = share * 100
            turn.measured |= _memory(process.pid)
            if plan.idle_seconds:
                turn.measured |= _weighed(target, contestant, process.pid, plan.idle_seconds)
    except ServerError as failure:
        turn.failure = str(failure)
    except psutil.NoSuchProcess:
        turn.failure = "ended after its last reply"


def _memory(pid: int) -> Measured:
    memory = memory_of(pid)
    return {
        Figure(f"memory of all processes, after the work, {memory.kind}", "MB"): memory.total_bytes
        / 1e6,
        Figure("processes, after the work", "processes", None): float(memory.num_processes),
    }


def _weighed(target: Target, contestant: Contestant, pid: int, idle_seconds: float) -> Measured:
    at_rest = weighing.idle(pid, idle_seconds)
    if contestant.max_streams < weighing.NUM_STREAMS:
        return at_rest
    return at_rest | uvloop.run(weighing.full_load(target, pid))


def start_seconds(contestant: Contestant, give_up_seconds: float) -> float:
    """From exec to the first answer. Raises `ServerError` where none comes."""
    port = free_port()
    with running(contestant.command(port), contestant.environment) as process:
        return seconds_to_first_answer(process, port, contestant.model, give_up_seconds)


async def _measure(target: Target, contestant: Contestant, plan: Plan, measured: Measured) -> None:
    questions = prompts(plan.seed)
    await ask(target, next(questions), NEW_TOKENS)  # nothing is measured while things warm up
    for num_streams in plan.streams:
        if num_streams <= contestant.max_streams:
            number = num_requests(num_streams, plan.requests_per_stream)
            streams = [list(islice(questions, number)) for _ in range(num_streams)]
            replies = await closed_loop(target, streams, NEW_TOKENS)
            measured |= figures.of_load(label(num_streams), replies, NEW_TOKENS)
    longs = list(islice(long_prompts(plan.seed), NUM_LONG_PROMPTS))
    measured |= figures.of_prompts(await closed_loop(target, [longs], 1))
    if plan.num_arrivals and contestant.max_streams > 1:
        seconds = poisson_arrivals(plan.rate_per_second, plan.num_arrivals, plan.seed)
        arrivals = list(zip(seconds, questions, strict=False))
        replies = await open_loop(target, arrivals, NEW_TOKENS)
        poisson = f"Poisson, {plan.rate_per_second:g} requests/s"
        measured |= figures.of_load(poisson, replies, NEW_TOKENS)


def order(contestants: Sequence[Anyone], number: int) -> list[Anyone]:
    """Everyone, another one first each round: what changes over time favours nobody."""
    first = number % len(contestants)
    return [*contestants[first:], *contestants[:first]]
