"""What the daemon tells, as lines for a terminal: log records, events, changes."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

LEVEL_COLOURS = {"debug": "bright_black", "warning": "yellow", "error": "red", "critical": "red"}
ACTION_COLOURS = {"start": "green", "stop": "red", "replace": "yellow", "restart": "yellow"}
OUTCOME_COLOURS = {"done": "green", "failed": "red"}

Document = dict[str, Any]


def record_line(record: Document) -> str:
    """A log record: when, how bad, of which model, what, and what is bound to it."""
    level = str(record.get("level", "info"))
    model = record.get("model")
    moment = _local_time(record.get("timestamp"))
    said = {"timestamp", "level", "model", "event"}
    bound = {key: value for key, value in record.items() if key not in said}
    short = [f"{key}={_value(value)}" for key, value in bound.items() if not _is_long(value)]
    parts = [
        click.style(moment, dim=True) if moment else "",
        click.style(f"{level:<7}", fg=LEVEL_COLOURS.get(level)),
        click.style(f"{model}:", bold=True) if model else "",
        str(record.get("event", "")),
        click.style(" ".join(short), dim=True) if short else "",
    ]
    below = [line for value in bound.values() if _is_long(value) for line in _lines(value)]
    return "\n".join([" ".join(part for part in parts if part), *below])


def event_line(event: Document) -> str:
    """An event: its number, when, about what, and what happened."""
    subject = event["model"] or event["kind"]
    step = f"{event['old']} → {event['new']}" if event["new"] else ""
    parts = [
        click.style(f"{event['number']:>5}", dim=True),
        click.style(time.strftime("%H:%M:%S", time.localtime(event["time"])), dim=True),
        click.style(f"{subject}:", bold=True),
        step,
        f"({event['message']})" if step and event["message"] else event["message"],
    ]
    return " ".join(part for part in parts if part)


def changes_lines(changes: list[Document]) -> Iterator[str]:
    """What a reload does, one subject a line; what stays as it is, is left out."""
    changing = [change for change in changes if change["action"] != "keep"]
    if not changing:
        yield "nothing changes"
    width = max((len(change["subject"]) for change in changing), default=0)
    for change in changing:
        action, outcome = change["action"], change["outcome"]
        parts = [
            f"{change['subject']:<{width}}",
            click.style(action, fg=ACTION_COLOURS.get(action)) + " " * (7 - len(action)),
            click.style(outcome, fg=OUTCOME_COLOURS.get(outcome)) if outcome else "",
            f"({', '.join(change['keys'])})" if change["keys"] else "",
            change["reason"],
        ]
        yield "  ".join(part for part in parts if part).rstrip()


def _is_long(value: object) -> bool:
    """Whether it is for lines of its own: a list, or a text such as a traceback."""
    return isinstance(value, list) or "\n" in str(value)


def _lines(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield from (f"    {line}" for line in str(item).splitlines())


def _value(value: object) -> str:
    """As it is, but where its end would not be seen in quotes."""
    text = str(value)
    return text if text and " " not in text else repr(text)


def _local_time(timestamp: object) -> str:
    """Of an ISO 8601 time; an absent or broken one is shown as it is."""
    try:
        return datetime.fromisoformat(str(timestamp)).astimezone().strftime("%b %d %H:%M:%S")
    except ValueError:
        return str(timestamp or "")
