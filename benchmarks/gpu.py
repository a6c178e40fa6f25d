"""Llama shapes with random weights in bfloat16: engines and `transformers serve`, on a GPU.

    make bench-gpu

Engines run in processes of their own and are asked directly; servers, of both kinds, over HTTP.
With `--shape tiny --device cpu` all of it runs on any machine.
"""

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gpu_servers
import sections
import shapes
from contestants import ENGINES, Contestant, versions
from gpu_case import Case, Outcome, outcome_of
from gpu_servers import PEER, Load
from processes import stop_servers_when_terminated
from serve_daemon.wire.messages import EngineSpec

SERVERS = (*(f"serve-daemon {engine}" for engine in ENGINES), PEER)
NAMES = (*ENGINES, *SERVERS)
HEAD = (
    "| shape | who | streams | tokens/s | ms a step | of the bandwidth limit"
    f" | host, ms a step | times {PEER} |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)
# What has to answer, whatever its speed.
SMOKE: dict[str, dict[str, Any]] = {
    "continuous, sdpa": {"engine": "continuous", "attn_implementation": "sdpa"},
    "continuous, flex_attention": {
        "engine": "continuous",
        "attn_implementation": "flex_attention",
    },
    "continuous, bnb-4bit": {"engine": "continuous", "quantization": "bnb-4bit"},
    "continuous, bnb-8bit": {"engine": "continuous", "quantization": "bnb-8bit"},
    "compiled, its own attention": {"engine": "compiled"},
    "compiled, bnb-4bit": {"engine": "compiled", "quantization": "bnb-4bit"},
}
LEAST_PROMPT_TOKENS = 16
EVERY = (*NAMES, "smoke", *SMOKE)


@dataclass(frozen=True, slots=True)
class Row:
    shape: str
    who: str
    num_streams: int
    outcome: Outcome

    @property
    def load(self) -> tuple[str, int]:
        return self.shape, self.num_streams


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("python", nargs="?", default=sys.executable, help="interpreter with `transformers serve`")
    add("--shape", nargs="+", choices=list(shapes.SHAPES), default=["1B", "8B"])
    add("--device", default="cuda:0")
    add("--streams", type=int, nargs="+", default=[1, 32])
    add("--context", type=int, default=1024, help="tokens of a stream, in the middle of a run")
    add("--steps", type=int, default=64, help="of an engine that are measured")
    add("--answer", type=int, default=256, help="tokens that a server gives each stream")
    add(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"of: {', '.join(NAMES)}, smoke, {', '.join(SMOKE)}",
    )
    add("--note", default="", help="what else is to be known of this run")
    add("--write", action="store_true", help="write the section of RESULTS.md")
    add("--append", action="store_true", help="add to what stands there instead of replacing it")
    return parser.parse_args()


class Bench:
    """One run on one device."""

    def __init__(self, chosen: argparse.Namespace, directory: Path) -> None:
        self._chosen = chosen
        self._directory = directory

    def rows(self, shape: str) -> Iterator[Row]:
        """Of every engine and server, as they come."""
        folder = self._directory / shape
        folder.mkdir()
        shapes.write(shape, folder)
        for engine in filter(self._is_wanted, ENGINES):
            for num_streams in self._chosen.streams:
                case = self._case(folder, num_streams, engine=engine)
                yield Row(shape, engine, num_streams, outcome_of(case))
        for server in filter(self._is_wanted, SERVERS):
            found = self._outcomes_of(server, folder)
            for num_streams, outcome in zip(self._chosen.streams, found, strict=True):
                yield Row(shape, server, num_streams, outcome)

    def smoke(self, shape: str) -> Iterator[str]:
        """What answers, as the rows of a table."""
        for name, what in SMOKE.items():
            if self._is_wanted("smoke") or self._is_wanted(name):
                outcome = outcome_of(self._case(self._directory / shape, 1, **what))
                yield f"| {name} | {shape} | {outcome.words} |"

    def _is_wanted(self, name: str) -> bool:
        return not self._chosen.only or name in self._chosen.only

    def _case(self, folder: Path, num_streams: int, **what: Any) -> Case:
        spec = EngineSpec(
            model="measured",
            source=str(folder),
            dtype="bfloat16",
            device=self._chosen.device,
            load_format="dummy",
            max_requests=num_streams,
            max_context=2 * self._chosen.context + 8 * self._chosen.steps,
            **what,
        )
        cache = str(self._directory / "cache")
        return Case(spec, cache, num_streams, self._chosen.context, self._chosen.steps)

    def _outcomes_of(self, server: str, folder: Path) -> list[Outcome]:
        loads = self._loads()
        try:
            contestant = self._contestant(server, folder)
        except subprocess.CalledProcessError as error:
            return [Outcome(failure=str(error))] * len(loads)
        return gpu_servers.outcomes_of(contestant, loads)

    def _contestant(self, server: str, folder: Path) -> Contestant:
        device = self._chosen.device
        if server == PEER:
            return gpu_servers.peer(folder, self._chosen.python, device)
        engine = server.rsplit(maxsplit=1)[-1]
        return gpu_servers.ours(engine, folder, self._directory, device)

    def _loads(self) -> list[Load]:
        new_tokens = self._chosen.answer
        prompt_tokens = max(self._chosen.context - new_tokens // 2, LEAST_PROMPT_TOKENS)
        return [Load(each, prompt_tokens, new_tokens) for each in self._chosen.streams]


def row_text(row: Row, rows: Sequence[Row]) -> str:
    """As Markdown. Limits are those that an engine of this run has measured."""
    head = f"| {row.shape} | {row.who} | {row.num_streams} |"
    if row.outcome.failure:
        return f"{head} {row.outcome.failure} | | | | |"
    alike = [each for each in rows if each.load == row.load]
    step = row.num_streams / row.outcome.tokens_per_second
    best = max((each.outcome.best_seconds for each in alike), default=0.0)
    peer = [each.outcome.tokens_per_second for each in alike if each.who == PEER]
    cells = [
        f"{row.outcome.tokens_per_second:.1f}",
        f"{step * 1e3:.2f}",
        f"{best / step:.1%}" if best else "-",
        f"{row.outcome.host_seconds * 1e3:.2f}" if row.who in ENGINES else "-",
        f"{row.outcome.tokens_per_second / peer[0]:.2f}" if peer and peer[0] else "-",
    ]
    return f"{head} {' | '.join(cells)} |"


def body_of(chosen: argparse.Namespace, rows: Sequence[Row], smoke: Sequence[str]) -> str:
    devices = ", ".join(sorted({row.outcome.device for row in rows if row.outcome.device}))
    about = (
        f"Written by `make bench-gpu`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, on {devices or '?'}"
        " measured by a copy. Random weights in bfloat16, streams of about"
        f" {chosen.context} tokens; {versions(chosen.python)}. Engines in process, servers over"
        " HTTP; the limit is a step's weights, keys and values at that bandwidth."
        f" {chosen.note}"
    ).strip()
    parts = [about, "\n".join([HEAD, *(row_text(row, rows) for row in rows)])]
    if smoke:
        parts.append("\n".join(["| what | shape | |\n| --- | --- | --- |", *smoke]))
    return "\n\n".join(parts)


def main() -> None:
    chosen = options()
    stop_servers_when_terminated()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(chosen, Path(directory))
        for shape in chosen.shape:
            for row in bench.rows(shape):
                rows.append(row)
                print(row_text(row, rows), flush=True)
        smoke = list(bench.smoke(chosen.shape[0]))
    body = body_of(chosen, rows, smoke)
    print(body)
    if chosen.write:
        sections.store(sections.GPU, body, is_added=chosen.append)


if __name__ == "__main__":
    main()
