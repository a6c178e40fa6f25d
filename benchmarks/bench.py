"""Both engines of this daemon beside their peers, in turns: speed, delays, memory, start.

    make bench

Above 1 a ratio says that the daemon is better. Ratios are taken round by round.
"""

import argparse
import datetime as dt
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import report
import sections
from contestants import ENGINES, Contestant, InProcess, daemons, in_process, peers, versions
from figures import spread
from first_start import first_start
from plot import bars
from processes import FILE, ServerError, stop_servers_when_terminated
from report import Rounds
from turns import Plan, Turn, order, take
from workload import NEW_TOKENS

PLOT = Path(__file__).with_name("results.svg")

Turns = dict[str, list[Turn]]
Anyone = Contestant | InProcess


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("python", help="interpreter of the environment with `transformers serve`")
    add("--engines", nargs="+", default=list(ENGINES), help="engines of the daemon")
    add("--rounds", type=int, choices=range(1, 100), metavar="1..99", default=3)
    add("--streams", type=int, nargs="+", default=[1, 4, 16, 32])
    add("--requests", type=int, default=2, help="requests of each stream, at least")
    add("--rate", type=float, default=0.5, help="requests per second of the open loop")
    add("--arrivals", type=int, default=16, help="requests of the open loop; 0: none")
    add("--give-up", type=float, default=180.0, help="seconds that one request may take")
    add("--only", nargs="+", metavar="NAME", help="the contestants; all by default")
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


def take_round(contestants: Sequence[Anyone], plan: Plan, turns: Turns) -> None:
    """A turn for everyone. The number of the round decides the order and the prompts."""
    for contestant in order(contestants, plan.seed):
        turn = take(contestant, plan)
        turns[contestant.name].append(turn)
        print(f"round {plan.seed + 1}: {contestant.name}: {turn.failure or 'done'}", flush=True)


def warm_up(servers: Sequence[Contestant], give_up_seconds: float) -> list[str]:
    """Start those once that keep a cache: what the rounds then find converted and compiled."""
    lines = []
    for each in servers:
        try:
            lines.append(first_start(each, give_up_seconds))
        except ServerError as error:
            lines.append(f"first start of {each.name}: {error}")
        print(lines[-1], flush=True)
    return lines


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = models[0] if models else "unknown processor"
    return f"{model}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


class Bench:
    """The contestants of one run, in the order of their turns, and what came of them."""

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        self._ours = daemons(chosen.engines, directory)
        self._within = in_process(self._ours)
        neighbours = [
            each
            for pair in zip_longest(self._ours, self._within)
            for each in pair
            if each is not None
        ]
        everyone = [*neighbours, *peers(chosen.python, os.cpu_count() or 1)]
        self.contestants: list[Anyone] = [
            each for each in everyone if not chosen.only or each.name in chosen.only
        ]
        if not self.contestants:
            names = ", ".join(each.name for each in everyone)
            raise SystemExit(f"--only: one or more of: {names}")
        self.turns: Turns = {each.name: [] for each in self.contestants}

    def with_caches(self) -> list[Contestant]:
        """The daemons whose engines take part, over HTTP or without."""
        used = {
            each.server if isinstance(each, InProcess) else each.name for each in self.contestants
        }
        return [each for each in self._ours if each.name in used]

    def body(self, about: Sequence[str]) -> str:
        """The section of the results."""
        reasons = {name: [turn.failure for turn in each] for name, each in self.turns.items()}
        parts = [
            "Written by `make bench`. Medians, with the lowest and the highest round in brackets.",
            "\n".join(f"- {line}" for line in [*about, load(self.turns), *MEANINGS]),
            "\n".join(f"- {each.name}: `{each.about}`" for each in self.contestants),
            report.table(self.servers()),
            *self._ratios(),
            *self._shares(),
            report.failures(reasons),
            f"![tokens per second]({PLOT.name})",
        ]
        return "\n\n".join(parts)

    def servers(self) -> Rounds:
        """What was measured over HTTP."""
        within = {each.name for each in self._within}
        return {name: each for name, each in self._measured().items() if name not in within}

    def _measured(self) -> Rounds:
        return {name: [turn.measured for turn in each] for name, each in self.turns.items()}

    def _ratios(self) -> list[str]:
        servers, ours = self.servers(), [each.name for each in self._ours]
        others = [name for name in servers if name not in ours]
        return [
            f"### {name}, times better than\n\n{report.ratios(servers, name, others)}"
            for name in ours
            if name in servers and others
        ]

    def _shares(self) -> list[str]:
        measured = self._measured()
        pairs = [
            (each.server, each.name)
            for each in self._within
            if each.server in measured and each.name in measured
        ]
        table = report.shares(measured, pairs)
        return [f"### Over HTTP, of what the engine reaches in process\n\n{table}"] if pairs else []


MEANINGS = (
    (
        "memory: proportional set sizes (PSS, in which pages that several share count once) of the"
        " server and all processes below it; of a daemon these are supervisor, gateway and engine"
    ),
    (
        "exec to the first answer: of each round's start, when files are cached, the daemon has"
        " converted the weights and `compiled` has its package"
    ),
)


def load(turns: Turns) -> str:
    """How much of the machine others had."""
    busy = spread([turn.others_busy_percent for each in turns.values() for turn in each])
    return (
        f"just before a turn others used {busy.median:.0f} %"
        f" ({busy.low:.0f}…{busy.high:.0f}) of the cores; the client shares them too"
    )


def introduce(chosen: argparse.Namespace) -> list[str]:
    return [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}",
        f"{FILE}, computed in bfloat16, {NEW_TOKENS} new tokens, greedy, streamed",
        f"{chosen.requests} requests a stream, and at least 4 in all; {versions(chosen.python)}",
        *([chosen.note] if chosen.note else []),
    ]


def store(bench: Bench, body: str) -> None:
    PLOT.write_text(bars("tokens/s", report.medians(bench.servers(), ": throughput")))
    sections.store(sections.CPU, body)


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    plan = plan_of(chosen)
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(chosen, Path(directory))
        about = introduce(chosen) + warm_up(bench.with_caches(), plan.give_up_seconds)
        start, used = time.monotonic(), time.process_time()
        for number in range(chosen.rounds):
            take_round(bench.contestants, replace(plan, seed=number), bench.turns)
            seconds = time.monotonic() - start
            share = (time.process_time() - used) / seconds
            client = f"{number + 1} rounds in {seconds / 60:.0f} minutes"
            client += f"; the client took {share:.1%} of one core on average"
            body = bench.body([*about, client])
            if chosen.write:  # after each round: what is measured is kept if the next one fails
                store(bench, body)
    print(body)


if __name__ == "__main__":
    main()
