"""How long clients wait when an engine dies, hangs, or is replaced because of an edit.

    make bench-recovery

Streams run when their engine gets a signal; counted is the time from there to the end of the
silence that follows, for each stream. For the edit, a prompt is asked again and again that only the
new engine has room for: counted is the time from the writing of the file to its first token.
"""

import argparse
import datetime as dt
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import uvloop

import sections
from bench import machine
from contestants import ENGINES, versions
from figures import spread
from processes import FILE, SOURCE, stop_servers_when_terminated
from recovery import HANG_SECONDS, LARGE_CONTEXT, edited, served, signalled

SIGNALS = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP}

HEAD = (
    "| engine | what | replicas | streams | rounds | median (s) | worst (s) |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
)

Case = Callable[[argparse.Namespace, str], Iterator[str]]  # the table's rows for an engine


def signals_with(replicas: int) -> Case:
    def measure(chosen: argparse.Namespace, engine: str) -> Iterator[str]:
        with served(chosen, engine, "", replicas) as each:
            for name, streams in product(chosen.signals, chosen.streams):
                what = f"{name} to the next token"
                rounds = [
                    uvloop.run(signalled(each, SIGNALS[name], streams, seed))
                    for seed in range(chosen.rounds)
                ]
                yield row(engine, what, (replicas, streams), rounds)

    return measure


def edits(chosen: argparse.Namespace, engine: str) -> Iterator[str]:
    with served(chosen, engine, f", max_context = {LARGE_CONTEXT}", 1) as each:
        rounds = [[uvloop.run(edited(each, chosen, engine))] for _ in range(chosen.rounds)]
    yield row(engine, "an edit to traffic on the new engine", (1, 0), rounds)


CASES: dict[str, Case] = {"one": signals_with(1), "two": signals_with(2), "edit": edits}


def row(engine: str, what: str, numbers: tuple[int, int], rounds: Sequence[Sequence[float]]) -> str:
    """`numbers`: of replicas, and of streams on the engine. Each of them counts."""
    found = spread([seconds for one in rounds for seconds in one])
    counts = [str(each) for each in (*numbers, len(rounds))]
    cells = [engine, what, *counts, f"{found.median:.2f}", f"{found.high:.2f}"]
    return f"| {' | '.join(cells)} |"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engines", nargs="+", default=list(ENGINES))
    add("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    add("--streams", type=int, nargs="+", default=[1, 4], help="on the engine that gets the signal")
    add("--signals", nargs="+", default=list(SIGNALS), choices=list(SIGNALS))
    add("--rounds", type=int, default=5)
    add("--source", default=SOURCE)
    add("--more", default="", help="further keys of the model, as in a file, each after a comma")
    add("--cache", type=Path, default=Path(".cache"), help="for what first starts leave")
    add("--give-up", type=float, default=180.0, help="seconds that one request may take")
    add("--note", default="", help="what else is to be known of this run")
    add("--write", action="store_true", help="write the section of RESULTS.md")
    add("--append", action="store_true", help="with --write: add to the rows that stand there")
    return parser.parse_args()


def body_of(chosen: argparse.Namespace, rows: Sequence[str]) -> str:
    model = FILE if chosen.source == SOURCE else "another model"
    about = (
        f"Written by `make bench-recovery`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()},"
        f" {versions(sys.executable).partition(';')[0].partition(': ')[2]}, {model}. Each of the"
        f" streams on the engine that gets the signal counts. `hang_timeout` is {HANG_SECONDS:g} s,"
        f" `restart_delay` 0.5 s. {chosen.note}"
    )
    return "\n\n".join([about.strip(), "\n".join([HEAD, *rows])])


def write(chosen: argparse.Namespace, rows: Sequence[str]) -> None:
    body = body_of(chosen, rows)
    if chosen.append:
        there = sections.taken_apart(sections.RESULTS.read_text())[1][sections.RECOVERY]
        body = "\n".join([there, *rows])
    sections.store(sections.RECOVERY, body)


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    rows: list[str] = []
    for engine in chosen.engines:
        for case in chosen.cases:
            for each in CASES[case](chosen, engine):
                print(each, flush=True)
                rows.append(each)
    if chosen.write:
        write(chosen, rows)


if __name__ == "__main__":
    main()
