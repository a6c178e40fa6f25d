"""An engine of the daemon without HTTP: the closed loops of `make bench`, in one process.

    make bench-engine

What it reaches is what the daemon over HTTP is measured against.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path

import msgspec

import figures
from engine_here import ClosedLoop, Here, engine_here, spec_of
from figures import Figure, Measured
from processes import SOURCE
from serve_daemon.api.messages import ChatMessage
from serve_daemon.gateway.text.chat_template import ChatTemplates
from serve_daemon.gateway.text.tokenizer import read_text_model
from workload import NEW_TOKENS, NUM_LONG_PROMPTS, label, long_prompts, num_requests, prompts

Rows = list[tuple[str, str, bool | None, float]]


class Questions:
    """Messages to tokens, as the gateway makes them."""

    def __init__(self, artefacts: Path) -> None:
        self._model = read_text_model(artefacts)
        self._templates = ChatTemplates()
        asyncio.run(self._templates.load())

    def tokens(self, text: str) -> list[int]:
        prompt = self._templates.render(
            self._model.chat_template, [ChatMessage("user", text)], self._model.variables
        )
        return list(self._model.tokenizer.encode(prompt, add_special_tokens=False).ids)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--engine", nargs="+", default=["continuous", "compiled"])
    add("--source", default=SOURCE)
    add("--dtype", default="bfloat16")
    add("--device", default="auto")
    add("--load-format", default="auto", help="dummy: random weights")
    add("--cache", type=Path, help="where converted weights and packages are; by default nowhere")
    add("--streams", type=int, nargs="+", default=[1, 4, 16, 32])
    add("--requests", type=int, default=2, help="requests of each stream, at least")
    add(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the model, where it is a word"
    )
    add("--seed", type=int, default=0, help="which prompts are asked")
    add("--json", action="store_true", help="print figures for a program, of one engine")
    return parser.parse_args()


def measure(here: Here, chosen: argparse.Namespace) -> Measured:
    """The closed loops and the long prompts that the servers are asked, in the same order."""
    questions = Questions(here.loaded.artefacts)
    asked = (questions.tokens(text) for text in prompts(chosen.seed))
    stop_tokens = here.engine.facts().eos_tokens
    loop = ClosedLoop(here, NEW_TOKENS, stop_tokens)
    loop.run([[next(asked)]])  # nothing is measured while things warm up
    measured: Measured = {}
    for num_streams in chosen.streams:
        number = num_requests(num_streams, chosen.requests)
        replies = loop.run([list(islice(asked, number)) for _ in range(num_streams)])
        measured |= figures.of_load(label(num_streams), replies, NEW_TOKENS)
    longs = islice(long_prompts(chosen.seed), NUM_LONG_PROMPTS)
    replies = ClosedLoop(here, 1).run([[questions.tokens(text) for text in longs]])
    return measured | figures.of_prompts(replies)


def rows(measured: Measured) -> Rows:
    return [
        (figure.name, figure.unit, figure.more_is_better, value)
        for figure, value in measured.items()
    ]


def measured_from(text: bytes) -> Measured:
    """What another process has printed with --json. Raises `msgspec.DecodeError`."""
    found = msgspec.json.decode(text, type=Rows)
    return {Figure(name, unit, better): value for name, unit, better, value in found}


def show(engine: str, measured: Measured) -> None:
    print(f"{engine}, in process:")
    for figure, value in measured.items():
        print(f"  {figure.name}: {value:.4g} {figure.unit}")


def main() -> None:
    chosen = options()
    with tempfile.TemporaryDirectory() as directory:
        for engine in chosen.engine:
            keys = dict(each.split("=", 1) for each in chosen.set)
            spec = msgspec.structs.replace(spec_of(engine, chosen), **keys)
            here = engine_here(spec, chosen.cache or Path(directory))
            measured = measure(here, chosen)
            if chosen.json:
                sys.stdout.buffer.write(msgspec.json.encode(rows(measured)) + b"\n")
            else:
                show(engine, measured)
    sys.stdout.flush()
    os._exit(0)  # a computing thread may still wait for work


if __name__ == "__main__":
    main()
