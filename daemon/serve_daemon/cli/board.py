"""What `servectl top` shows: totals, and a tree of models and engines with their last minutes."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from serve_daemon.cli.processors import Processors
from serve_daemon.cli.status import Document, colour, dot, pace, size, timespan
from serve_daemon.cli.table import Cell, Column, Row, Table, clipped

HEIGHTS = "▁▂▃▄▅▆▇█"
SPARK_CELLS = 30
ORDERS = ("tokens", "memory", "cpu", "name")

TREND = Column("TREND", is_right=False, rank=4)
COLUMNS = (
    Column("MODEL", is_right=False),
    Column("STATE", is_right=False),
    Column("TOKENS/S"),
    TREND,
    Column("RUN"),
    Column("WAIT"),
    Column("KV", rank=6),
    Column("CPU"),
    Column("MEMORY"),
    Column("PID", rank=5),
)


@dataclass
class Board:
    """The last state of a daemon, and what its models did before it."""

    order: str = ORDERS[0]
    has_trends: bool = True
    document: Document = field(default_factory=dict)
    at: float = 0.0  # Unix seconds of the document
    trouble: str = ""  # why there is no newer one
    _paces: dict[str, deque[float]] = field(default_factory=dict)
    _shares: dict[int, float | None] = field(default_factory=dict)
    _processors: Processors = field(default_factory=Processors)

    def take(self, document: Document) -> None:
        """A new state."""
        self.document, self.at, self.trouble = document, time.time(), ""
        engines = [each for model in document["models"] for each in model["replicas"]]
        self._shares = {each["pid"]: self._processors.share(each["pid"]) for each in engines}
        for replica in engines:
            replica["cpu"] = self._shares[replica["pid"]]
        paces = {"": self.tokens_per_second()}
        for model in document["models"]:
            paces[model["name"]] = model["tokens_per_second"]
            paces |= {each["id"]: each["tokens_per_second"] for each in model["replicas"]}
        self._paces = {
            name: _with(self._paces.get(name, deque(maxlen=SPARK_CELLS)), value)
            for name, value in paces.items()
        }

    def tokens_per_second(self) -> float:
        return sum(map(_tokens, self.document["models"]))

    def turn_order(self) -> None:
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]

    def head(self, width: int) -> Iterator[str]:
        """The daemon and the totals."""
        daemon, gateway, models = (self.document[key] for key in ("daemon", "gateway", "models"))
        ready = sum(model["state"] == "ready" for model in models)
        clock = time.strftime("%H:%M:%S", time.localtime(self.at))
        up = timespan(self.at - daemon["started"])
        told = f"serve-daemon {daemon['version']} - {daemon['state']}, up {up}"
        told += f", {ready} of {len(models)} models ready"
        line = clipped(told, width - len(clock) - 4)
        yield f"{dot(daemon['state'])} {line:<{width - len(clock) - 2}}{clock}"
        state = "draining" if gateway["draining"] else gateway["state"]
        served = f"{gateway['requests']} requests, {gateway['failures']} failed"
        yield f"{dot(state)} {clipped(f'gateway - {state}, {served}', width - 2)}"
        yield self._totals(models, width)

    def rows(self, width: int) -> Iterator[str]:
        """The tree, below its headings."""
        models = self._sorted()
        trees = [
            [self._of_columns(row) for row in (self._model_row(each), *self._replica_rows(each))]
            for each in models
        ]
        columns = [each for each in COLUMNS if self.has_trends or each is not TREND]
        table = Table(columns, [row for tree in trees for row in tree], width - 2)
        yield f"  {table.head()}"
        for model, (top, *below) in zip(models, trees, strict=True):
            yield f"{dot(model['state'])} {table.line(top)}"
            yield from (f"  {table.line(row)}" for row in below)

    def _totals(self, models: list[Document], width: int) -> str:
        engines = [each for model in models for each in model["replicas"]]
        running = sum(each["running"] for each in engines)
        waiting = sum(map(_waiting, models))
        memory = size(self.document["daemon"]["memory"] + sum(each["memory"] for each in models))
        rate = f"{self.tokens_per_second():.1f} tokens/s"
        rest = f"{running} running, {waiting} waiting, {memory}"
        trend = f"  {self._spark('')}" if self.has_trends else ""
        line = clipped(f"{rest}{trend.rstrip()}", width - len(rate) - 4)
        return f"  {click.style(rate, bold=True)}, {line}"

    def _sorted(self) -> list[Document]:
        """Those that are alike stay in the order of the file."""
        models: list[Document] = list(self.document["models"])
        if self.order == "name":
            return sorted(models, key=lambda model: str(model["name"]))
        measures = {"tokens": _tokens, "memory": _memory, "cpu": _cpu}
        return sorted(models, key=measures[self.order], reverse=True)

    def _model_row(self, model: Document) -> Row:
        waiting = _waiting(model)
        return (
            Cell(model["name"], is_bold=True),
            Cell(model["state"], colour(model["state"])),
            Cell(pace(model["tokens_per_second"]), is_bold=True),
            Cell(self._spark(model["name"]), "green"),
            Cell(str(sum(each["running"] for each in model["replicas"]))),
            Cell(str(waiting), "yellow" if waiting else None),
            Cell(""),
            Cell(_percent(_cpu(model) if model["replicas"] else None)),
            Cell(size(model["memory"]) if model["memory"] else "-"),
            Cell(""),
        )

    def _replica_rows(self, model: Document) -> Iterator[Row]:
        for replica in model["replicas"]:
            branch = "└─" if replica is model["replicas"][-1] else "├─"
            doing = (replica["progress"] or replica["phase"]).partition(" ")[0]
            yield (
                Cell(f"{branch} {replica['id']}", is_dim=True),
                Cell(doing, is_dim=True),
                Cell(pace(replica["tokens_per_second"]), is_dim=True),
                Cell(self._spark(replica["id"]), is_dim=True),
                Cell(str(replica["running"]), is_dim=True),
                Cell(str(replica["waiting"]), is_dim=True),
                Cell(_percent(replica["kv_cache_usage"]), is_dim=True),
                Cell(_percent(replica["cpu"]), is_dim=True),
                Cell(size(replica["memory"]) if replica["memory"] else "-", is_dim=True),
                Cell(str(replica["pid"] or "-"), is_dim=True),
            )

    def _of_columns(self, row: Row) -> Row:
        """Only where there is one."""
        place = COLUMNS.index(TREND)
        return row if self.has_trends else row[:place] + row[place + 1 :]

    def _spark(self, name: str) -> str:
        return sparkline(list(self._paces[name])) if self.has_trends else ""


def sparkline(values: Sequence[float], cells: int = SPARK_CELLS) -> str:
    """A sign for each of the last values, as high as it is beside the highest; none for nothing."""
    shown = values[-cells:]
    most = max(shown, default=0.0) or 1.0
    steps = len(HEIGHTS) - 1
    signs = (HEIGHTS[round(value / most * steps)] if value else " " for value in shown)
    return "".join(signs).rjust(cells)


def _with(values: deque[float], value: float) -> deque[float]:
    values.append(value)
    return values


def _waiting(model: Document) -> int:
    """At the gateways and in its engines."""
    total: int = model["queued"] + sum(each["waiting"] for each in model["replicas"])
    return total


def _tokens(model: Document) -> float:
    rate: float = model["tokens_per_second"]
    return rate


def _memory(model: Document) -> float:
    taken: float = model["memory"]
    return taken


def _cpu(model: Document) -> float:
    return sum(each["cpu"] or 0.0 for each in model["replicas"])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
