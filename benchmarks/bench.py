"""The daemon beside its peers, in turns: speed, delays, memory, start.

    make bench

Above 1 a ratio says that the daemon is better. Ratios are taken round by round.
"""

import argparse
import datetime as dt
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import report
import sections
from contestants import (
    COMPARED,
    OTHERS,
    Contestant,
    InProcess,
    daemons,
    in_process,
    other_peers,
    peers,
    version_of_llama,
    versions,
)
from cpu_results import Anyone, Results
from figures import Figure, Measured
from first_start import FirstStart, first_start
from plot import bars
from processes import FILE, ServerError, stop_servers_when_terminated
from turns import Plan, Turn, order, take
from workload import NEW_TOKENS

VECTORS = {"avx512_vnni": "AVX-512 VNNI", "avx512f": "AVX-512", "avx2": "AVX2"}  # the best first


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("python", help="interpreter of the environment with `transformers serve`")
    add("--llama-server", default=shutil.which("llama-server"), help="that on the PATH by default")
    add("--all", action="store_true", help="with those that no comparison needs")
    add("--rounds", type=int, choices=range(1, 100), metavar="1..99", default=3)
    add("--streams", type=int, nargs="+", default=[1, 16, 32])
    add("--requests", type=int, default=2, help="requests of each stream, at least")
    add("--rate", type=float, default=0.5, help="requests per second of the open loop")
    add("--arrivals", type=int, default=0, help="requests of the open loop; 0: none")
    add("--idle", type=float, default=20.0, help="seconds at rest; 0: nobody is weighed")
    add("--give-up", type=float, default=240.0, help="seconds that one request may take")
    add("--only", nargs="+", metavar="NAME", help="the contestants; all by default")
    add("--note", default="", help="what else is to be known of this run, for the report")
    add("--title", default=sections.CPU, help="of the section; another for another machine")
    add("--write", action="store_true", help="write the section into RESULTS.md, and its plot")
    return parser.parse_args()


def plan_of(chosen: argparse.Namespace, number: int) -> Plan:
    """Of one round, counted from 0. The first one weighs."""
    return Plan(
        tuple(chosen.streams),
        chosen.requests,
        chosen.rate,
        chosen.arrivals,
        chosen.give_up,
        seed=number,
        idle_seconds=0.0 if number else chosen.idle,
    )


class Bench:
    """The contestants of one run, in the order of their turns, and what came of them."""

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        setups = [*COMPARED, *(OTHERS if chosen.all else ())]
        self._ours = daemons(setups, directory)
        everyone: list[Anyone] = [
            *self._ours,
            *peers(chosen.python, chosen.llama_server, os.cpu_count() or 1),
        ]
        if chosen.all:
            everyone += [*other_peers(chosen.python), *in_process(setups, self._ours)]
        self.contestants = [
            each for each in everyone if not chosen.only or each.name in chosen.only
        ]
        if not self.contestants:
            names = ", ".join(each.name for each in everyone)
            raise SystemExit(f"--only: one or more of: {names}")
        self.turns: dict[str, list[Turn]] = {each.name: [] for each in self.contestants}
        self._started: dict[str, FirstStart] = {}

    def warm_up(self, give_up_seconds: float) -> list[str]:
        """Start those once that keep a cache: what the rounds then find packed and compiled."""
        lines = []
        for each in self._with_caches():
            try:
                self._started[each.name] = first_start(each, give_up_seconds)
                lines.append(self._started[each.name].line(each.name))
            except ServerError as error:
                lines.append(f"first start of {each.name}: {error}")
            print(lines[-1], flush=True)
        return lines

    def take_round(self, plan: Plan) -> None:
        """A turn for everyone. The number of the round decides the order and the prompts."""
        for contestant in order(self.contestants, plan.seed):
            turn = take(contestant, plan)
            if plan.seed == 0 and contestant.name in self._started:
                turn.measured |= of_first_start(self._started[contestant.name])
            self.turns[contestant.name].append(turn)
            outcome = turn.failure or "done"
            print(f"round {plan.seed + 1}: {contestant.name}: {outcome}", flush=True)

    def results(self, title: str) -> Results:
        return Results(self.contestants, self.turns, plot_of(title).name)

    def _with_caches(self) -> list[Contestant]:
        """The daemons whose engines take part, over HTTP or without."""
        used = {
            each.server if isinstance(each, InProcess) else each.name for each in self.contestants
        }
        return [each for each in self._ours if each.name in used]


def of_first_start(found: FirstStart) -> Measured:
    figures = {Figure("first start of all, exec to the first answer", "s"): found.ready_seconds}
    if found.package_seconds is not None:
        figures[Figure("first start of all, to the compiled step", "s")] = found.package_seconds
    return figures


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    model = models[0] if models else "unknown processor"
    return f"{model}{vectors(lines)}, {os.cpu_count()} cores, {memory_bytes / 2**30:.0f} GiB"


def vectors(lines: Sequence[str]) -> str:
    """The widest instructions that /proc/cpuinfo tells of, which speed depends on most."""
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((f" with {name}" for flag, name in VECTORS.items() if flag in flags), "")


def plot_of(title: str) -> Path:
    words = "" if title == sections.CPU else f"-{re.sub(r'[^a-z0-9]+', '-', title.lower())}"
    return Path(__file__).with_name(f"results{words}.svg")


def introduce(chosen: argparse.Namespace) -> list[str]:
    program = chosen.llama_server
    return [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}",
        f"{FILE}, {NEW_TOKENS} new tokens, greedy, streamed",
        f"{chosen.requests} requests a stream, and at least 4 in all; {versions(chosen.python)}",
        version_of_llama(program) if program else "no llama-server on the PATH: it has no column",
        *([chosen.note] if chosen.note else []),
    ]


def store(results: Results, body: str, title: str) -> None:
    speeds = report.medians(results.servers(), ": throughput")
    plot_of(title).write_text(bars("tokens/s, each load on a scale of its own", speeds))
    sections.store(title, body)


def run(bench: Bench, chosen: argparse.Namespace, about: Sequence[str]) -> str:
    """All rounds; the section of the results, which is stored after each if it is to be."""
    body = ""
    start, used = time.monotonic(), time.process_time()
    for number in range(chosen.rounds):
        bench.take_round(plan_of(chosen, number))
        seconds = time.monotonic() - start
        share = (time.process_time() - used) / seconds
        client = f"{number + 1} rounds in {seconds / 60:.0f} minutes"
        client += f"; the client took {share:.1%} of one core on average"
        body = bench.results(chosen.title).body([*about, client])
        if chosen.write:  # after each round: what is measured is kept if the next one fails
            store(bench.results(chosen.title), body, chosen.title)
    return body


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(chosen, Path(directory))
        about = [*introduce(chosen), *bench.warm_up(chosen.give_up)]
        print(run(bench, chosen, about))


if __name__ == "__main__":
    main()
