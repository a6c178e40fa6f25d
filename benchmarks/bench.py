"""This daemon beside `transformers serve`, in turns, over HTTP: speed, delays, memory, start.

    make bench

Above 1 a ratio says that the daemon is better. Ratios are taken round by round.
"""

import argparse
import datetime as dt
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import report
from contestants import Contestant, everyone, versions
from figures import spread
from plot import bars
from processes import FILE
from turns import Plan, Turn, order, start_seconds, take
from workload import NEW_TOKENS

RESULTS = Path(__file__).with_name("RESULTS.md")
PLOT = Path(__file__).with_name("results.svg")

Turns = dict[str, list[Turn]]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("python", help="interpreter of the environment with `transformers serve`")
    add("--engines", nargs="+", default=["continuous"], help="engines of the daemon")
    add("--rounds", type=int, choices=range(1, 100), metavar="1..99", default=3)
    add("--streams", type=int, nargs="+", default=[1, 4, 16, 32])
    add("--requests", type=int, default=3, help="requests of each stream")
    add("--rate", type=float, default=0.5, help="requests per second of the open loop")
    add("--arrivals", type=int, default=16, help="requests of the open loop; 0: none")
    add("--give-up", type=float, default=180.0, help="seconds that one request may take")
    add("--only", nargs="+", metavar="NAME", help="the servers to ask; all by default")
    add("--note", default="", help="what else is to be known of this run, for the report")
    add("--write", action="store_true", help="write RESULTS.md and its plot")
    return parser.parse_args()


def plan_of(chosen: argparse.Namespace) -> Plan:
    return Plan(
        tuple(chosen.streams),
        chosen.requests,
        chosen.rate,
        chosen.arrivals,
        chosen.give_up,
        seed=0,
    )


def take_round(contestants: list[Contestant], plan: Plan, turns: Turns) -> None:
    """A turn for everyone. The number of the round decides the order and the prompts."""
    for contestant in order(contestants, plan.seed):
        turn = take(contestant, plan)
        turns[contestant.name].append(turn)
        print(f"round {plan.seed + 1}: {contestant.name}: {turn.failure or 'done'}", flush=True)


def first_starts(contestants: list[Contestant], give_up_seconds: float) -> list[str]:
    """Of those that convert a model once: what the rounds then find converted."""
    return [
        f"first start of all of {each.name}, exec to the first answer:"
        f" {start_seconds(each, give_up_seconds):.1f} s"
        for each in contestants
        if each.keeps_a_cache
    ]


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = models[0] if models else "unknown processor"
    return f"{model}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


def document(contestants: list[Contestant], turns: Turns, about: list[str]) -> str:
    ours = contestants[0].name
    measured = {name: [turn.measured for turn in each] for name, each in turns.items()}
    reasons = {name: [turn.failure for turn in each] for name, each in turns.items()}
    introduction = (
        "Written by `make bench`. Medians, with the lowest and the highest round in brackets."
        f" Ratios are taken round by round; above 1, {ours} is better."
    )
    paragraphs = [
        "# Results",
        introduction,
        "\n".join(f"- {line}" for line in [*about, load(turns)]),
        "\n".join(f"- {each.name}: `{each.about}`" for each in contestants),
        report.table(measured, ours),
        report.failures(reasons),
    ]
    return "\n\n".join(paragraphs) + "\n"


def load(turns: Turns) -> str:
    """How much of the machine others had."""
    busy = spread([turn.others_busy_percent for each in turns.values() for turn in each])
    return (
        f"just before a server's turn others used {busy.median:.0f} %"
        f" ({busy.low:.0f}…{busy.high:.0f}) of the cores; the client shares them too"
    )


def write(text: str, turns: Turns) -> None:
    measured = {name: [turn.measured for turn in each] for name, each in turns.items()}
    PLOT.write_text(bars("tokens/s", report.medians(measured, ": throughput")))
    RESULTS.write_text(f"{text}\n![tokens per second]({PLOT.name})\n")


def introduce(chosen: argparse.Namespace) -> list[str]:
    return [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}",
        f"{FILE}, computed in bfloat16, {NEW_TOKENS} new tokens, greedy, streamed",
        f"{chosen.requests} requests a stream; {versions(chosen.python)}",
        *([chosen.note] if chosen.note else []),
    ]


def chosen_contestants(chosen: argparse.Namespace, directory: Path) -> list[Contestant]:
    every = everyone(chosen.engines, chosen.python, directory, os.cpu_count() or 1)
    found = [each for each in every if not chosen.only or each.name in chosen.only]
    if not found:
        raise SystemExit(f"--only: one of {', '.join(each.name for each in every)}")
    return found


def main() -> None:
    chosen = options()
    plan = plan_of(chosen)
    with tempfile.TemporaryDirectory() as directory:
        contestants = chosen_contestants(chosen, Path(directory))
        about = introduce(chosen) + first_starts(contestants, plan.give_up_seconds)
        turns: Turns = {each.name: [] for each in contestants}
        start, used = time.monotonic(), time.process_time()
        for number in range(chosen.rounds):
            take_round(contestants, replace(plan, seed=number), turns)
            share = (time.process_time() - used) / (time.monotonic() - start)
            client = f"rounds: {number + 1}; the client took {share:.1%} of one core on average"
            text = document(contestants, turns, [*about, client])
            if chosen.write:  # after each round: what is measured is kept if the next one fails
                write(text, turns)
    print(text)


if __name__ == "__main__":
    main()
