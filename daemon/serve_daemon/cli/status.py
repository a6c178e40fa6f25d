"""The state of a daemon as people read it: daemon, gateway, and a tree of models and engines."""

from collections.abc import Iterator
from typing import Any

import click

from serve_daemon.cli.table import Cell, Column, Row, Table, clipped, wrapped
from serve_daemon.cli.terminal import UNLIMITED

REMARK_LINES = 3
MINUTE, HOUR, DAY = 60, 3600, 86400
SIZE_STEP = 1024
BAR_CELLS = 20

# As systemctl has them: the shape tells what the colour tells.
DOTS = {
    "ready": ("●", "green"),
    "running": ("●", "green"),
    "starting": ("●", "yellow"),
    "reloading": ("↻", "yellow"),
    "draining": ("●", "yellow"),
    "stopping": ("●", "yellow"),
    "backoff": ("↻", "yellow"),
    "asleep": ("○", "cyan"),
    "stopped": ("○", None),
    "failed": ("\N{MULTIPLICATION SIGN}", "red"),
}
COLUMNS = (
    Column("MODEL", is_right=False),
    Column("STATE", is_right=False),
    Column("SINCE", rank=5),
    Column("PID"),
    Column("DEVICE", is_right=False, rank=3),
    Column("TOKENS/S"),
    Column("RUN"),
    Column("WAIT"),
    Column("MEMORY"),
    Column("PEAK", rank=6),
    Column("ESTIMATE", rank=7),
    Column("MAX", rank=8),
)

Document = dict[str, Any]


def overview(document: Document, now: float, width: int = UNLIMITED) -> Iterator[str]:
    """The whole daemon, in so many columns of a terminal."""
    yield from _daemon_lines(document["daemon"], now, width)
    yield from _gateway_lines(document["gateway"], now, width)
    yield ""
    models = document["models"]
    if not models:
        yield "No models are configured: servectl add SOURCE."
        return
    rows = [(_model_row(model, now), _replica_rows(model)) for model in models]
    table = Table(COLUMNS, [row for top, below in rows for row in (top, *below)], width - 2)
    yield f"  {table.head()}"
    for model, (row, below) in zip(models, rows, strict=True):
        yield f"{dot(model['state'])} {table.line(row)}"
        yield from _remark_lines(_remarks(model, now), "  │ " if below else "    ", width)
        for replica, line in zip(model["replicas"], below, strict=True):
            yield f"  {table.line(line)}"
            is_last = replica is model["replicas"][-1]
            yield from _remark_lines(
                _doing(model, replica), "      " if is_last else "  │   ", width
            )


def timespan(seconds: float) -> str:
    """A length of time in its two largest units, as 3min or 2h 5min."""
    whole = max(int(seconds), 0)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}min"
    if whole < DAY:
        return f"{whole // HOUR}h {whole % HOUR // MINUTE}min"
    return f"{whole // DAY}d {whole % DAY // HOUR}h"


def size(count: float) -> str:
    """A number of bytes, as 41.5M."""
    for unit in ("B", "K", "M", "G"):
        if count < SIZE_STEP:
            return f"{count:.0f}{unit}" if unit == "B" else f"{count:.1f}{unit}"
        count /= SIZE_STEP
    return f"{count:.1f}T"


def last_exit(ended: Document | None, now: float) -> str:
    """When and how a process ended, and what that is taken for."""
    if ended is None:
        return ""
    how = ended["signal"] or f"status {ended['status']}"
    is_said = how in ended["message"] or ended["signal"] == ended["status"]  # both None: never ran
    result = ended["result"] if is_said else f"{ended['result']} ({how})"
    return f"{ended['id']} {timespan(now - ended['time'])} ago, {result}: {ended['message']}"


def dot(state: str) -> str:
    return click.style(DOTS.get(state, ("?", None))[0], fg=colour(state), bold=True)


def colour(state: str) -> str | None:
    return DOTS.get(state, ("?", None))[1]


def _daemon_lines(daemon: Document, now: float, width: int) -> Iterator[str]:
    facts = [
        f"PID {daemon['pid']}",
        f"up {timespan(now - daemon['started'])}",
        size(daemon["memory"]),
        f"last reload {daemon['last_reload']}" if daemon["last_reload"] else "",
    ]
    told = f"serve-daemon {daemon['version']} - {daemon['state']}, {daemon['config']}"
    return _headline(daemon["state"], told, facts, width)


def _gateway_lines(gateway: Document, now: float, width: int) -> Iterator[str]:
    addresses = ", ".join(gateway["listen"]) or "no address"
    facts = [
        f"PID {gateway['pid']}" if gateway["pid"] else "",
        f"{gateway['open_requests']} open",
        f"{gateway['requests']} requests",
        f"{gateway['failures']} failed",
    ]
    state = "draining" if gateway["draining"] else gateway["state"]
    yield from _headline(state, f"gateway - {state} on {addresses}", facts, width)
    drained = ["new requests are refused since a drain: servectl resume"]
    remarks = [*(drained if gateway["draining"] else []), *_remarks(gateway, now)]
    yield from _remark_lines(remarks, "    ", width)


def _headline(state: str, told: str, facts: list[str], width: int) -> Iterator[str]:
    """On a line with the facts, or on two."""
    known = ", ".join(fact for fact in facts if fact)
    line = f"{told} ({known})"
    if len(line) + 2 <= width:
        yield f"{dot(state)} {line}"
    else:
        yield f"{dot(state)} {clipped(told, width - 2)}"
        yield from (f"    {each}" for each in wrapped(known, width - 4, REMARK_LINES))


def _model_row(model: Document, now: float) -> Row:
    waiting = model["queued"] + sum(each["waiting"] for each in model["replicas"])
    limit, estimate = model["memory_max"], model["estimate"]
    return (
        Cell(model["name"], is_bold=True),
        Cell(model["state"], colour(model["state"])),
        Cell(timespan(now - model["since"])),
        Cell(""),
        Cell(f"{model['device']}/{model['dtype']}"),
        Cell(pace(model["tokens_per_second"])),
        Cell(str(sum(each["running"] for each in model["replicas"]))),
        Cell(str(waiting), "yellow" if waiting else None),
        Cell(_bytes(model["memory"])),
        Cell(_bytes(model["peak_memory"])),
        Cell(_bytes(estimate["total"] if estimate else 0)),
        Cell(_bytes(limit)),
    )


def _replica_rows(model: Document) -> list[Row]:
    """A branch of the tree each."""
    replicas = model["replicas"]
    branches = ["├─"] * (len(replicas) - 1) + ["└─"]
    return [
        (
            Cell(f"{branch} {each['id']}"),
            Cell(each["phase"], colour(each["phase"]), is_dim=True),
            Cell(timespan(each["uptime"]), is_dim=True),
            Cell(str(each["pid"] or "-")),
            Cell(each["device"], is_dim=True),
            Cell(pace(each["tokens_per_second"]), is_dim=True),
            Cell(str(each["running"]), is_dim=True),
            Cell(str(each["waiting"]), is_dim=True),
            Cell(_bytes(each["memory"]), is_dim=True),
            Cell(_bytes(each["peak_memory"]), is_dim=True),
            Cell(""),
            Cell(""),
        )
        for branch, each in zip(branches, replicas, strict=False)
    ]


def pace(tokens_per_second: float) -> str:
    return f"{tokens_per_second:.1f}" if tokens_per_second else "-"


def _bytes(count: int | None) -> str:
    return size(count) if count else "-"


def _remarks(member: Document, now: float) -> list[str]:
    """Of a model or gateway: why it does not simply serve, and how it has ended before."""
    reason = "" if member["state"] == "ready" else member["reason"]
    retry = member.get("retry_in")
    ended = member["last_exit"]
    count = member["restarts"]
    parts = [
        reason,
        "" if retry is None else f"next try in {timespan(retry)}",
        f"{count} restart{'s' if count > 1 else ''}" if count > 0 else "",
    ]
    is_meant = ended is None or ended["result"] == "stopped"
    exits = (
        [] if is_meant or ended["message"] in reason else [f"last exit: {last_exit(ended, now)}"]
    )
    return [each for each in ("; ".join(filter(None, parts)), *exits) if each]


def _doing(model: Document, replica: Document) -> list[str]:
    """What an engine does beside, or before, it serves, and how far that is."""
    is_relieved = any(each["role"] == "serving" for each in model["replicas"])
    role = {"successor": "takes over", "leaving": "leaves"}.get(replica["role"], "")
    done, total = replica["progress_done"], replica["progress_total"]
    share = bar(done, total) if total else ""
    told = "; ".join(part for part in (role if is_relieved else "", replica["progress"]) if part)
    line = " ".join(part for part in (told, share) if part)
    return [line] if line else []


def bar(done: int, total: int) -> str:
    """How far something is, of so many bytes."""
    share = min(done / total, 1.0)
    full = int(share * BAR_CELLS)
    return f"[{'█' * full}{'·' * (BAR_CELLS - full)}] {share:.0%} of {size(total)}"


def _remark_lines(remarks: list[str], before: str, width: int) -> Iterator[str]:
    for remark in remarks:
        for line in wrapped(remark, width - len(before), REMARK_LINES):
            yield click.style(f"{before}{line}", dim=True)
