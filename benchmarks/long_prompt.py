"""A long prompt among streams that decode: for how many of its usual steps each waits.

    make bench-long-prompt

While some streams decode over HTTP, one long prompt arrives. Of each stream are told the usual gap
between two pieces of text, which is the median before that, and the longest gap while the prompt
was read.
"""

import argparse
import asyncio
import datetime as dt
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path

import uvloop

import sections
from bench import machine
from clients import Target, ask
from contestants import ENGINES, Contestant, Setup, daemons
from figures import Reply
from first_start import first_start
from processes import (
    FILE,
    SOURCE,
    ServerError,
    free_port,
    running,
    seconds_to_first_answer,
    stop_servers_when_terminated,
)
from workload import long_prompts, prompts

ANSWER_TOKENS = 4  # of the long prompt

HEAD = (
    "| engine | round | usual gap (ms) | longest gap meanwhile (ms)"
    " | in usual gaps, worst stream | the prompt's tokens | read in (s) |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one stream: what it is used to, and the longest that it had to wait meanwhile."""

    usual_seconds: float
    longest_seconds: float

    @property
    def in_usual_gaps(self) -> float:
        return self.longest_seconds / self.usual_seconds


def delay_of(stream: Reply, prompt: Reply) -> Delay:
    """Raises `ServerError` where the stream was not there before, or not to the prompt's end."""
    asked, answered = prompt.started_seconds, prompt.ended_seconds
    times = stream.texts_seconds
    usual = [later - earlier for earlier, later in pairwise(times) if later <= asked]
    meanwhile = [
        later - earlier
        for earlier, later in pairwise(times)
        if later > asked and earlier < answered
    ]
    if not usual or not meanwhile or times[-1] < answered:
        raise ServerError("a stream did not decode from before the prompt to its answer: ask more")
    return Delay(statistics.median(usual), max(meanwhile))


def unending(target: Target, num_tokens: int) -> Target:
    """With answers of so many tokens, none of which is the end: that one has no text to be seen."""
    return replace(target, more={"min_tokens": num_tokens})


async def one_round(
    target: Target, seed: int, chosen: argparse.Namespace
) -> tuple[list[Delay], Reply]:
    """The streams' delays, and the long prompt's reply."""
    begun = [0] * chosen.streams
    steady = asyncio.Event()

    def count(stream: int) -> None:
        begun[stream] += 1
        if min(begun) >= chosen.before:
            steady.set()

    steady_target = unending(target, chosen.tokens)
    questions = islice(prompts(seed), chosen.streams)
    async with asyncio.TaskGroup() as group:
        streams = [
            group.create_task(
                ask(steady_target, text, chosen.tokens, lambda stream=stream: count(stream))  # type: ignore[misc]
            )
            for stream, text in enumerate(questions)
        ]
        await steady.wait()
        long = next(long_prompts(seed, chosen.prompt_tokens))
        prompt = await ask(unending(target, ANSWER_TOKENS), long, ANSWER_TOKENS)
    return [delay_of(each.result(), prompt) for each in streams], prompt


def rows_of(contestant: Contestant, chosen: argparse.Namespace) -> list[str]:
    """The table's rows for one engine, or why there are none."""
    port = free_port()
    rows = []
    try:
        with running(contestant.command(port), contestant.environment) as process:
            seconds_to_first_answer(process, port, contestant.model, chosen.give_up)
            target = Target(port, contestant.model, chosen.give_up)
            for number in range(chosen.rounds):
                delays, prompt = uvloop.run(one_round(target, number, chosen))
                rows.append(row(contestant.name, number + 1, delays, prompt))
    except* ServerError as failures:
        rows.append(f"| {contestant.name} | {failures.exceptions[0]} | | | | | |")
    return rows


def row(name: str, number: int, delays: Sequence[Delay], prompt: Reply) -> str:
    usual = statistics.median(each.usual_seconds for each in delays)
    cells = [
        name,
        str(number),
        f"{usual * 1e3:.1f}",
        f"{max(each.longest_seconds for each in delays) * 1e3:.1f}",
        f"{max(each.in_usual_gaps for each in delays):.2f}",
        str(prompt.prompt_tokens),
        f"{prompt.ended_seconds - prompt.started_seconds:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engines", nargs="+", default=list(ENGINES))
    add("--streams", type=int, default=8)
    add("--tokens", type=int, default=512, help="of each stream's answer")
    add("--before", type=int, default=32, help="tokens of each stream before the prompt comes")
    add("--prompt-tokens", type=int, default=2000)
    add("--rounds", type=int, default=3)
    add("--source", default=SOURCE)
    add("--more", default="", help="further keys of the model, as in a file, each after a comma")
    add("--give-up", type=float, default=180.0, help="seconds that one request may take")
    add("--note", default="", help="what else is to be known of this run")
    add("--write", action="store_true", help="write the section of RESULTS.md")
    return parser.parse_args()


def body_of(chosen: argparse.Namespace, rows: Sequence[str]) -> str:
    model = FILE if chosen.source == SOURCE else "another model"
    about = (
        f"Written by `make bench-long-prompt`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()},"
        f" {model}. {chosen.streams} streams decode when a prompt of about {chosen.prompt_tokens}"
        " tokens arrives. The usual gap is the median between two pieces of a stream's text before"
        f" that. {chosen.note}"
    )
    return "\n\n".join([about.strip(), "\n".join([HEAD, *rows])])


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    rows: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        setups = [Setup(engine, engine) for engine in chosen.engines]
        for contestant in daemons(setups, Path(directory), chosen.source, chosen.more):
            try:
                print(first_start(contestant, chosen.give_up).line(contestant.name), flush=True)
                rows += rows_of(contestant, chosen)
            except ServerError as error:
                rows.append(f"| {contestant.name} | {error} | | | | | |")
            print(rows[-1], flush=True)
    body = body_of(chosen, rows)
    print(body)
    if chosen.write:
        sections.store(sections.LONG_PROMPT, body)


if __name__ == "__main__":
    main()
