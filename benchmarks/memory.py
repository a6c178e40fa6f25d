"""What every process of a daemon holds while 32 streams are full, by how keys and values are kept.

    make bench-memory

Each form is started twice: what the first start makes, the second one serves with. Counted is, when
all together held most, each page once: what several have of a file at the one that has most of it.
"""

import argparse
import asyncio
import datetime as dt
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import sections
from bench import machine
from clients import Target
from contestants import Contestant, daemon
from first_start import PACKAGE_SECONDS, has_package, wait_for_package, wait_until_kept
from holding import Held, each_once, seen_in
from idle import family
from processes import (
    ServerError,
    free_port,
    running,
    seconds_to_first_answer,
    stop_servers_when_terminated,
)
from weighing import NUM_STREAMS, PROMPT_TOKENS, while_full
from workload import NEW_TOKENS

FORMS = ("auto", "int8")
GOAL_MEGABYTES = 900.0
GIVE_UP_SECONDS, DEADLINE_SECONDS = 600.0, 900.0
KEPT_SECONDS = 60.0
HEAD = (
    "| kv_cache_dtype | process | MB | of it keys and values | its own | files |\n"
    "| --- | --- | ---: | ---: | ---: | ---: |"
)


def weigh(pid: int) -> dict[str, Held]:
    """Every process of the daemon `pid`, by what it is."""
    names, seen = family(pid), {}
    for each in names:
        with suppress(FileNotFoundError, ProcessLookupError):
            seen[each] = seen_in(each)
    return {names[each]: held for each, held in each_once(seen).items()}


def total(held: Mapping[str, Held]) -> float:
    """Megabytes."""
    return sum(each.total for each in held.values()) / 1e6


async def most_held(target: Target, pid: int) -> dict[str, Held]:
    """By the daemon `pid` while all streams are full. Raises `ServerError` as `ask` does."""
    weighed: list[dict[str, Held]] = []
    await while_full(target, lambda: weighed.append(weigh(pid)))
    return max(weighed, key=total)


def prepare(contestant: Contestant, log: Path) -> None:
    """Have a first start leave all that later ones find."""
    port = free_port()
    with running(contestant.command(port), contestant.environment, log) as process:
        seconds_to_first_answer(process, port, contestant.model, GIVE_UP_SECONDS)
        wait_for_package(process, lambda: has_package(log, contestant.cache), PACKAGE_SECONDS)
        wait_until_kept(process, log, KEPT_SECONDS)


def measure(form: str, directory: Path) -> dict[str, Held]:
    directory.mkdir(parents=True, exist_ok=True)
    contestant = daemon("compiled", directory, more=f', kv_cache_dtype = "{form}"')
    log = directory / "log"
    prepare(contestant, log)
    port = free_port()
    with running(contestant.command(port), contestant.environment, log) as process:
        seconds_to_first_answer(process, port, contestant.model, GIVE_UP_SECONDS)
        target = Target(port, contestant.model, DEADLINE_SECONDS)
        return asyncio.run(most_held(target, process.pid))


def rows(form: str, held: Mapping[str, Held]) -> list[str]:
    """The last is the sum."""
    sums = Held(*(sum(column) for column in zip(*held.values(), strict=True)))
    return [
        f"| {form} | {name} | {' | '.join(f'{size / 1e6:.0f}' for size in (each.total, *each))} |"
        for name, each in [*held.items(), ("all", sums)]
    ]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--form", choices=FORMS, action="append", help="one of them; by default all")
    add("--directory", type=Path, help="where starts leave what later ones find; by default none")
    add("--write", action="store_true", help="put the section into RESULTS.md")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    stop_servers_when_terminated()
    lines, least = [HEAD], float("inf")
    with tempfile.TemporaryDirectory() as temporary:
        for form in chosen.form or FORMS:
            try:
                held = measure(form, (chosen.directory or Path(temporary)) / form)
            except ServerError as error:
                raise SystemExit(f"{form}: {error}") from error
            lines += rows(form, held)
            least = min(least, total(held))
    print("\n".join(lines))
    if chosen.write:
        about = (
            f"Written by `make bench-memory`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}."
            f" {NUM_STREAMS} streams of {PROMPT_TOKENS} tokens and {NEW_TOKENS} new ones, engine"
            f" compiled, at its second start. All together are to hold {GOAL_MEGABYTES:.0f} MB."
        )
        sections.store(sections.MEMORY, "\n\n".join([about, "\n".join(lines)]))
    return int(least > GOAL_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
