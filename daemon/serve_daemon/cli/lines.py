"""What the daemon tells, as lines for a terminal: events and changes."""

import time
from collections.abc import Iterator
from typing import Any

import click

from serve_daemon.cli.status import size

ACTION_COLOURS = {"start": "green", "stop": "red", "replace": "yellow", "restart": "yellow"}
OUTCOME_COLOURS = {"done": "green", "failed": "red"}

Document = dict[str, Any]


def event_line(event: Document) -> str:
    """An event: its number, when, about what, and what happened; details below it."""
    subject = event["model"] or event["kind"]
    message, *details = event["message"].splitlines() or [""]
    step = f"{event['old']} → {event['new']}" if event["new"] else ""
    parts = [
        click.style(f"{event['number']:>5}", dim=True),
        click.style(time.strftime("%H:%M:%S", time.localtime(event["time"])), dim=True),
        click.style(f"{subject}:", bold=True),
        step,
        f"({message})" if step and message else message,
    ]
    head = " ".join(part for part in parts if part)
    return "\n".join([head, *(f"          {line}" for line in details)])


def history_lines(entries: list[Document], current: int) -> Iterator[str]:
    """The configurations that worked, one a line; the one in force has a star."""
    if not entries:
        yield "no configuration has worked yet"
    for entry in entries:
        mark = "*" if entry["number"] == current else " "
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["time"]))
        head = f"{mark} {entry['number']:>5}  {when}  {entry['trigger']}"
        yield f"{head}: {', '.join(entry['changes'])}" if entry["changes"] else head


def entry_lines(entry: Document) -> Iterator[str]:
    """The files of one configuration that worked, each under its name."""
    for path, text in entry["files"].items():
        yield click.style(f"# {path}", bold=True)
        yield text.removesuffix("\n")


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
        yield from (" " * width + "  " + line for line in _memory_lines(change))


def _memory_lines(change: Document) -> Iterator[str]:
    """What a change is expected to take, and whether that keeps requests waiting."""
    for each in change["memory"]:
        before, during, after = (size(each[when]) for when in ("before", "during", "after"))
        yield f"memory of {each['device']}: {before} now, {during} meanwhile, {after} after"
    if change["requests_wait"]:
        yield "requests wait: the old engine leaves before the new one has room"
