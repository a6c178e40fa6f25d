"""What a JSON schema costs: tokens per second of many streams with one, and without.

    make bench-constrained

In this process, without HTTP; rounds with and without take turns. All streams sample at temperature
1, and each has the same number of tokens: the schema's array is never at its end before.
"""

import argparse
import datetime as dt
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sections
from bench import machine
from contestants import ENGINES
from engine_here import OWNER, Here, engine_here, spec_of
from in_process import Questions
from processes import SOURCE, ServerError
from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.grammars.grammars import grammar_of
from serve_daemon.gateway.parsing.tool_families import GENERIC
from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Sampling
from workload import prompts

MOST_COST = 0.10  # of the tokens per second
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "role": {"enum": ["captain", "cook", "sailor", "doctor"]},
        "age": {"type": "integer", "minimum": 16, "maximum": 99},
        "skills": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4},
        "is_happy": {"type": "boolean"},
        "height": {"type": "number", "minimum": 1, "maximum": 2.5},
    },
    "required": ["name", "role", "age", "skills", "is_happy", "height"],
    "additionalProperties": False,
}
CREW = {"type": "array", "items": PERSON, "minItems": 200}

HEAD = (
    "| engine | streams | free (tokens/s) | with a schema (tokens/s) | of free |\n"
    "| --- | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True, slots=True)
class Round:
    free_rate: float  # tokens per second
    bound_rate: float

    @property
    def share(self) -> float:
        return self.bound_rate / self.free_rate


def schema_grammar() -> str:
    """As the gateway makes it."""
    form = OutputFormat("json_schema", schema=CREW)
    return grammar_of(GenerationRequest(model="m", output_format=form), GENERIC.syntax, None)


def rate(here: Here, asked: list[list[int]], num_tokens: int, grammar: str) -> float:
    """Tokens per second of all streams at once. Raises `ServerError` where one fails."""
    began = time.monotonic()
    for tokens in asked:
        number = next(here.numbers)
        sampling = Sampling(seed=number)
        order = Submit(number, f"r{number}", tokens, num_tokens, [], sampling, grammar=grammar)
        here.engine.submit(OWNER, order)
    num_open, num_made, ended = len(asked), 0, began
    while num_open:
        ended, outputs = here.listener.next()
        for output in outputs:
            if output.finish in (Finish.ERROR, Finish.REFUSED):
                raise ServerError(f"a sequence failed: {output.error}")
            num_made += len(output.tokens)
            num_open -= output.finish is not None
    return num_made / (ended - began)


def rounds_of(
    here: Here, questions: Iterator[list[int]], chosen: argparse.Namespace
) -> list[Round]:
    grammar = schema_grammar()

    def ask(text: str) -> float:
        asked = list(itertools.islice(questions, chosen.streams))
        return rate(here, asked, chosen.tokens, text)

    ask("")
    ask(grammar)  # nothing is measured while things warm up
    found: list[Round] = []
    for number in range(chosen.rounds):
        if number % 2:
            bound = ask(grammar)
            found.append(Round(ask(""), bound))
        else:
            found.append(Round(ask(""), ask(grammar)))
    return found


def row(engine: str, num_streams: int, rounds: list[Round]) -> str:
    free = statistics.median(each.free_rate for each in rounds)
    bound = statistics.median(each.bound_rate for each in rounds)
    shares = [each.share for each in rounds]
    middle, low, high = statistics.median(shares), min(shares), max(shares)
    of_free = f"{middle:.2f} ({low:.2f}…{high:.2f})"
    return f"| {engine} | {num_streams} | {free:.0f} | {bound:.0f} | {of_free} |"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    add("--source", default=SOURCE)
    add("--dtype", default="bfloat16")
    add("--device", default="auto")
    add("--load-format", default="auto", help="dummy: random weights")
    add("--cache", type=Path, help="where converted weights and packages are; by default nowhere")
    add("--streams", type=int, default=16)
    add("--tokens", type=int, default=128, help="of each stream in a round")
    add("--rounds", type=int, default=15, help="a machine's speed changes by more than is measured")
    add("--seed", type=int, default=0, help="which prompts are asked")
    add("--write", action="store_true", help="put the section into RESULTS.md")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    lines, medians = [HEAD], []
    with tempfile.TemporaryDirectory() as directory:
        for engine in chosen.engine:
            here = engine_here(spec_of(engine, chosen), chosen.cache or Path(directory))
            asked = Questions(here.loaded.artefacts)
            questions = (asked.tokens(text) for text in prompts(chosen.seed))
            rounds = rounds_of(here, questions, chosen)
            here.engine.stop()
            lines.append(row(engine, chosen.streams, rounds))
            medians.append(statistics.median(each.share for each in rounds))
            print(lines[-1], flush=True)
    if chosen.write:
        source = chosen.source.rpartition("/")[2]
        day = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
        intro = (
            f"Written by `make bench-constrained`, {day}, {machine()}, {source}."
            f" {chosen.rounds} rounds, with and without by turns; medians, lowest and highest."
        )
        sections.store(sections.CONSTRAINED, "\n".join([intro, "", *lines]))
    sys.stdout.flush()
    os._exit(int(min(medians) < 1 - MOST_COST))  # a computing thread may still wait for work


if __name__ == "__main__":
    main()
