"""One server's turn in a round: start it, ask it everything, weigh it, stop it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import psutil

import figures
from clients import Target, ask, closed_loop, open_loop
from contestants import Contestant
from figures import Figure, Measured
from processes import (
    ServerError,
    free_port,
    memory_bytes,
    others_share,
    running,
    seconds_to_first_answer,
    used_seconds,
)
from workload import NEW_TOKENS, long_prompts, poisson_arrivals, prompts

NUM_LONG_PROMPTS = 4
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


@dataclass(slots=True)
class Turn:
    """What came of it: all that was measured before the failure, if there was one."""

    measured: Measured = field(default_factory=dict)
    failure: str = ""
    others_busy_percent: float = 0.0


def take(contestant: Contestant, plan: Plan) -> Turn:
    """Raises nothing that the server is to blame for."""
    turn = Turn(others_busy_percent=psutil.cpu_percent(WATCH_SECONDS))
    port = free_port()
    try:
        with running(contestant.command(port), contestant.environment) as process:
            ready = seconds_to_first_answer(process, port, contestant.model, plan.give_up_seconds)
            turn.measured[Figure("exec to the first answer", "s")] = ready
            target = Target(port, contestant.model, plan.give_up_seconds)
            before = used_seconds(process.pid)
            asyncio.run(_measure(target, contestant, plan, turn.measured))
            share = others_share(before, used_seconds(process.pid))
            turn.measured[Figure("used by others meanwhile", "% of the cores", None)] = share * 100
            memory = memory_bytes(process.pid) / 1e6
            turn.measured[Figure("memory of all processes, after the work", "MB")] = memory
    except ServerError as failure:
        turn.failure = str(failure)
    except psutil.NoSuchProcess:
        turn.failure = "ended after its last reply"
    return turn


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
            streams = [
                list(islice(questions, plan.requests_per_stream)) for _ in range(num_streams)
            ]
            replies = await closed_loop(target, streams, NEW_TOKENS)
            measured |= figures.of_load(_streams(num_streams), replies, NEW_TOKENS)
    longs = list(islice(long_prompts(plan.seed), NUM_LONG_PROMPTS))
    measured |= figures.of_prompts(await closed_loop(target, [longs], 1))
    if plan.num_arrivals and contestant.max_streams > 1:
        seconds = poisson_arrivals(plan.rate_per_second, plan.num_arrivals, plan.seed)
        arrivals = list(zip(seconds, questions, strict=False))
        replies = await open_loop(target, arrivals, NEW_TOKENS)
        label = f"Poisson, {plan.rate_per_second:g} requests/s"
        measured |= figures.of_load(label, replies, NEW_TOKENS)


def _streams(number: int) -> str:
    return f"{number} stream{'s' * (number > 1)}"


def order(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Everyone, another one first each round: what changes over time favours nobody."""
    first = number % len(contestants)
    return [*contestants[first:], *contestants[:first]]
