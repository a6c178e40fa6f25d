"""The state of a daemon as people read it: a line for daemon and gateway, a table of models."""

from collections.abc import Iterator
from typing import Any

import click

WIDTH = 100
MINUTE, HOUR, DAY = 60, 3600, 86400
SIZE_STEP = 1024

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
HEADINGS = ("MODEL", "STATE", "SINCE", "PID", "ENGINE", "DEVICE", "RUN", "WAIT", "MEMORY")
RIGHT_ALIGNED = frozenset({"SINCE", "PID", "RUN", "WAIT", "MEMORY"})

Document = dict[str, Any]


def overview(document: Document, now: float) -> Iterator[str]:
    """The whole daemon."""
    yield _daemon_line(document["daemon"], now)
    yield from _gateway_lines(document["gateway"])
    yield ""
    models = document["models"]
    if not models:
        yield "No models are configured."
        return
    rows = [_row(model, now) for model in models]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    widths[0] = min(widths[0], WIDTH - 2 - sum(widths[1:]) - 2 * (len(widths) - 1))
    yield click.style(f"  {_aligned(HEADINGS, widths)}".rstrip(), bold=True)
    for model, row in zip(models, rows, strict=True):
        yield f"{dot(model['state'])} {_aligned(row, widths)}".rstrip()
        if remark := _remark(model):
            yield _remark_line(remark)


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


def _daemon_line(daemon: Document, now: float) -> str:
    facts = [
        f"PID {daemon['pid']}",
        f"up {timespan(now - daemon['started'])}",
        size(daemon["memory"]),
        f"last reload {daemon['last_reload']}" if daemon["last_reload"] else "",
    ]
    told = f"serve-daemon {daemon['version']} - {daemon['state']}, {daemon['config']}"
    return _headline(daemon["state"], told, facts)


def _gateway_lines(gateway: Document) -> Iterator[str]:
    addresses = ", ".join(gateway["listen"]) or "no address"
    facts = [
        f"PID {gateway['pid']}" if gateway["pid"] else "",
        f"{gateway['open_requests']} open",
        f"{gateway['requests']} requests",
        f"{gateway['failures']} failed",
        f"{gateway['restarts']} restarts" if gateway["restarts"] else "",
    ]
    state = "draining" if gateway["draining"] else gateway["state"]
    yield _headline(state, f"gateway - {state} on {addresses}", facts)
    if gateway["draining"]:
        yield _remark_line("new requests are refused since a drain: servectl resume")
    if gateway["state"] != "ready" and gateway["reason"]:
        yield _remark_line(gateway["reason"])


def _headline(state: str, told: str, facts: list[str]) -> str:
    known = ", ".join(fact for fact in facts if fact)
    room = WIDTH - len(f"●  ({known})")
    return f"{dot(state)} {_clipped(told, room)} ({known})"


def _row(model: Document, now: float) -> tuple[str, ...]:
    return (
        model["name"],
        model["state"],
        timespan(now - model["since"]),
        str(model["pid"] or "-"),
        model["engine"],
        f"{model['device']}/{model['dtype']}",
        str(sum(replica["running"] for replica in model["replicas"])),
        str(sum(replica["waiting"] for replica in model["replicas"])),
        size(model["memory"]) if model["memory"] else "-",
    )


def _remark(model: Document) -> str:
    """What is to be known about a model that does not simply serve."""
    doing = [replica["progress"] for replica in model["replicas"] if replica["progress"]]
    if model["state"] == "ready":
        leaving = any(replica["role"] != "serving" for replica in model["replicas"])
        return " ".join(["a new engine takes over", *doing] if leaving else dict.fromkeys(doing))
    retry = "" if model["retry_in"] is None else f"next try in {timespan(model['retry_in'])}"
    return "; ".join(part for part in (model["reason"], *doing, retry) if part)


def _remark_line(remark: str) -> str:
    return click.style(_clipped(f"    {remark}", WIDTH), dim=True)


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(
        f"{_clipped(cell, width):>{width}}"
        if heading in RIGHT_ALIGNED
        # cells are padded before they are joined: colour would count as width
        else f"{_clipped(cell, width):<{width}}"
        for heading, cell, width in zip(HEADINGS, cells, widths, strict=True)
    )


def _clipped(text: str, width: int) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def dot(state: str) -> str:
    return click.style(DOTS.get(state, ("?", None))[0], fg=colour(state), bold=True)


def colour(state: str) -> str | None:
    return DOTS.get(state, ("?", None))[1]
