"""What `servectl bench` does: runs of streams one after the other, a table, and a plot."""

import json
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from serve_daemon.cli.api import Api, ApiError, api_of
from serve_daemon.cli.arguments import show
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_INTERRUPTED, call, fail
from serve_daemon.cli.measuring import Load, Prompts, Run, Streams
from serve_daemon.cli.status import BAR_CELLS
from serve_daemon.cli.table import Cell, Column, Table
from serve_daemon.cli.terminal import readable, width

PLOT_CELLS = 40
WARM_UP_TOKENS = 8
CLEAR_LINE = "\r\x1b[K"
COLUMNS = (
    Column("STREAMS"),
    Column("TOKENS/S"),
    Column("TTFT P50"),
    Column("P99"),
    Column("INTER-TOKEN P50"),
    Column("P99"),
    Column("REQUESTS", rank=1),
    Column("FAILED", rank=1),
)

Document = dict[str, Any]


def measure(
    load: Load, streams: Sequence[int], *, url: str | None, key: str | None, as_json: bool
) -> None:
    """Run, and show what was measured. Leaves with a status where that was not all of it."""
    limit = None if url else _limit(load.model)
    api = api_of(url, key)
    runs: list[Run] = []
    try:
        runs.extend(_runs(api, load, streams))
    except ApiError as error:
        fail(str(error), EXIT_FAILED)
    _report(load, runs, limit, as_json=as_json)
    if not all(run.is_whole for run in runs):
        click.get_current_context().exit(EXIT_INTERRUPTED)
    if any(run.errors for run in runs):
        fail(next(run.errors[0] for run in runs if run.errors), EXIT_FAILED)


def _limit(model: str) -> int:
    """How many requests run at once; leaves where the daemon has no such model."""
    found = call("Status", model=model)["models"][0]
    limit: int = found["max_requests"] * max(len(found["replicas"]), 1)
    return limit


def _runs(api: Api, load: Load, streams: Sequence[int]) -> Iterator[Run]:
    """One after the other, behind a request that wakes the model."""
    prompts = Prompts(api, load.model, load.prompt_tokens, random.getrandbits(32))
    meter = Meter(load)
    warming = Load(load.model, load.prompt_tokens, min(WARM_UP_TOKENS, load.new_tokens), 1)
    try:
        meter.show("the first answer", 0.0)
        first = Streams(api, warming, 1).go(prompts, lambda _streams: None)
        if not first.is_whole or first.errors:
            yield Run(1, errors=first.errors, is_whole=first.is_whole)
            return
        for count in streams:
            run = Streams(api, load, count).go(prompts, meter.tell)
            yield run
            if not run.is_whole:
                return
    finally:
        meter.end()


class Meter:
    """A line on stderr of how far it is, where that is a terminal."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._is_shown = sys.stderr.isatty()

    def tell(self, streams: Streams) -> None:
        run = streams.run
        expected = run.streams * self._load.rounds * self._load.new_tokens
        noun = "stream" if run.streams == 1 else "streams"
        self.show(f"{run.streams} {noun}", min(streams.pieces / expected, 1.0))

    def show(self, what: str, share: float) -> None:
        if self._is_shown:
            full = int(share * BAR_CELLS)
            line = f"[{'█' * full}{'·' * (BAR_CELLS - full)}] {share:4.0%}  {what}"
            room = shutil.get_terminal_size().columns - 1
            click.echo(f"{CLEAR_LINE}{readable(line[:room])}", err=True, nl=False)

    def end(self) -> None:
        if self._is_shown:
            click.echo(CLEAR_LINE, err=True, nl=False)


def _report(load: Load, runs: Sequence[Run], limit: int | None, *, as_json: bool) -> None:
    figures = [run.figures() for run in runs]
    if as_json:
        asked = {"model": load.model, "new_tokens": load.new_tokens, "rounds": load.rounds}
        click.echo(json.dumps({**asked, "max_requests": limit, "runs": figures}, indent=2))
        return
    measured = [each for each in figures if each["requests"]]
    if measured:
        show(_table(measured))
        show(["", *_plot(measured), "", *_remarks(load, measured, limit)])
    if not all(run.is_whole for run in runs):
        click.echo("interrupted: what was open is cancelled", err=True)


def _table(figures: Sequence[Document]) -> Iterator[str]:
    rows = [
        (
            Cell(str(each["streams"]), is_bold=True),
            Cell(f"{each['tokens_per_second']:.1f}", "green", is_bold=True),
            *(
                Cell(_milliseconds(each[name]))
                for name in ("ttft_p50", "ttft_p99", "inter_token_p50", "inter_token_p99")
            ),
            Cell(str(each["requests"])),
            Cell(str(each["failed"]), "red" if each["failed"] else None),
        )
        for each in figures
    ]
    table = Table(COLUMNS, rows, width())
    yield table.head()
    yield from map(table.line, rows)


def _plot(figures: Sequence[Document]) -> Iterator[str]:
    """Tokens a second against streams, a bar each."""
    most = max(each["tokens_per_second"] for each in figures)
    digits = max(len(str(each["streams"])) for each in figures)
    yield click.style("tokens/s by streams", bold=True)
    for each in figures:
        rate = each["tokens_per_second"]
        bar = "█" * max(round(rate / most * PLOT_CELLS), 1)
        yield f"{each['streams']:>{digits}} {click.style(bar, fg='green')} {rate:.1f}"


def _remarks(load: Load, figures: Sequence[Document], limit: int | None) -> Iterator[str]:
    """What the figures are of, and what would else be asked."""
    requests = sum(each["requests"] for each in figures)
    prompt = sum(each["input_tokens"] for each in figures) / requests
    yield click.style(
        f"{load.model}: prompts of {prompt:.0f} tokens, answers of {load.new_tokens}", dim=True
    )
    if limit and any(each["streams"] > limit for each in figures):
        told = f"more than {limit} requests don't run at once (max_requests): the others wait"
        yield click.style(told, fg="yellow")


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:.1f} ms"
