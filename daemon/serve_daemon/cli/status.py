"""The state of a daemon as people read it: a line for daemon and gateway, a table of models."""

import time
from collections.abc import Iterator
from typing import Any

import click

from serve_daemon.wire.lines import record_line

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
        yield f"{_dot(model['state'])} {_aligned(row, widths)}".rstrip()
        if remark := _remark(model):
            yield _remark_line(remark)


def detail(model: Document, now: float) -> Iterator[str]:
    """One model, at length."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(model["since"]))
    state = click.style(model["state"], fg=_colour(model["state"]), bold=True)
    ago = timespan(now - model["since"])
    yield f"{_dot(model['state'])} {model['name']} - {state} since {since} ({ago})"
    facts = {name: value for name, value in _facts(model, now).items() if value}
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"  {name:>{width}}: {value}"
    if model["log"]:
        yield ""
        yield from map(record_line, (_without_model(record) for record in model["log"]))


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
    told = f"gateway - {gateway['state']} on {addresses}"
    yield _headline(gateway["state"], told, facts)
    if gateway["state"] != "ready" and gateway["reason"]:
        yield _remark_line(gateway["reason"])


def _headline(state: str, told: str, facts: list[str]) -> str:
    known = ", ".join(fact for fact in facts if fact)
    room = WIDTH - len(f"●  ({known})")
    return f"{_dot(state)} {_clipped(told, room)} ({known})"


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


def _facts(model: Document, now: float) -> dict[str, str]:
    replicas = model["replicas"]
    running = sum(replica["running"] for replica in replicas)
    waiting = sum(replica["waiting"] for replica in replicas)
    tokens = sum(replica["generated_tokens"] for replica in replicas)
    steps = sum(replica["steps"] for replica in replicas)
    context = f", {model['max_context']} tokens each" if model["max_context"] else ""
    return {
        "Reason": model["reason"],
        "Next try": "" if model["retry_in"] is None else f"in {timespan(model['retry_in'])}",
        "Source": model["source"],
        "Profile": model["profile"],
        "Aliases": ", ".join(model["aliases"]),
        "Engine": f"{model['engine']}, {model['attn_implementation']} attention",
        "Device": f"{model['device']}, {model['dtype']}",
        "Limits": f"{model['max_requests']} requests{context}",
        "Requests": f"{running} running, {waiting} waiting",
        "Generated": f"{tokens} tokens in {steps} steps" if tokens else "",
        "Memory": size(model["memory"]) if model["memory"] else "",
        "Restarts": str(model["restarts"] or ""),
        "Last exit": _last_exit(model["last_exit"], now),
        "Engines": "; ".join(map(_replica, replicas)),
    }


def _last_exit(ended: Document | None, now: float) -> str:
    """When and how a process ended, and what that is taken for."""
    if ended is None:
        return ""
    how = ended["signal"] or f"status {ended['status']}"
    is_said = how in ended["message"] or ended["signal"] == ended["status"]  # both None: never ran
    result = ended["result"] if is_said else f"{ended['result']} ({how})"
    return f"{ended['id']} {timespan(now - ended['time'])} ago, {result}: {ended['message']}"


def _without_model(record: Document) -> Document:
    """It stands above."""
    return {key: value for key, value in record.items() if key != "model"}


def _replica(replica: Document) -> str:
    facts = [
        f"PID {replica['pid']}" if replica["pid"] else "",
        replica["phase"],
        replica["role"],
        replica["device"],
        f"up {timespan(replica['uptime'])}",
        replica["progress"],
    ]
    return f"{replica['id']} ({', '.join(fact for fact in facts if fact)})"


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


def _dot(state: str) -> str:
    return click.style(DOTS.get(state, ("?", None))[0], fg=_colour(state), bold=True)


def _colour(state: str) -> str | None:
    return DOTS.get(state, ("?", None))[1]
