"""One model as people read it, at length: what is known of it, and the last records of its log."""

import time
from collections.abc import Iterator

import click

from serve_daemon.cli.status import Document, colour, dot, last_exit, pace, size, timespan
from serve_daemon.wire.lines import record_line


def detail(model: Document, now: float) -> Iterator[str]:
    """One model, at length."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(model["since"]))
    state = click.style(model["state"], fg=colour(model["state"]), bold=True)
    ago = timespan(now - model["since"])
    yield f"{dot(model['state'])} {model['name']} - {state} since {since} ({ago})"
    facts = {name: value for name, value in _facts(model, now).items() if value}
    width = max(map(len, facts))
    for name, value in facts.items():
        yield f"  {name:>{width}}: {value}"
    if model["log"]:
        yield ""
        yield from map(record_line, (_without_model(record) for record in model["log"]))


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
        "Requests": f"{running} running, {waiting + model['queued']} waiting",
        "Generated": _generated(tokens, steps, model["tokens_per_second"]),
        "Memory": _memory(model),
        "Estimate": _estimate(model["estimate"]),
        "Restarts": str(model["restarts"] or ""),
        "Last exit": last_exit(model["last_exit"], now),
        "Engines": "; ".join(map(_replica, replicas)),
    }


def _generated(tokens: int, steps: int, tokens_per_second: float) -> str:
    if not tokens:
        return ""
    now = f", {pace(tokens_per_second)} tokens/s now" if tokens_per_second else ""
    return f"{tokens} tokens in {steps} steps{now}"


def _memory(model: Document) -> str:
    parts = {"": "memory", " at most so far": "peak_memory", " allowed an engine": "memory_max"}
    return ", ".join(f"{size(model[key])}{what}" for what, key in parts.items() if model[key])


def _estimate(estimate: Document | None) -> str:
    """What one engine was expected to take, and of what that is made."""
    if estimate is None:
        return ""
    parts = {
        "weights": "weights",
        "keys and values": "kv_cache",
        "program": "program",
        "workspace": "workspace",
    }
    shown = ", ".join(f"{name} {size(estimate[key])}" for name, key in parts.items())
    return f"{size(estimate['total'])} an engine ({shown})"


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
