"""A log record as a line for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import click

LEVEL_COLOURS = {"debug": "bright_black", "warning": "yellow", "error": "red", "critical": "red"}


def record_line(record: Mapping[str, Any]) -> str:
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


def _is_long(value: object) -> bool:
    """Whether it is for lines of its own: a list, or a text such as a traceback."""
    return isinstance(value, list) or "\n" in str(value)


def _lines(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield from (f"    {line}" for line in str(item).splitlines())


def _value(value: object) -> str:
    """As it is; in quotes where its end would not be seen, or where it would steer the terminal."""
    text = str(value)
    return text if text and " " not in text and text.isprintable() else repr(text)


def _local_time(timestamp: object) -> str:
    """Of an ISO 8601 time; an absent or broken one is shown as it is."""
    try:
        return datetime.fromisoformat(str(timestamp)).astimezone().strftime("%b %d %H:%M:%S")
    except ValueError:
        return str(timestamp or "")
