"""The part of serve-daemon-api(7) that says what each field of the API does, from the code."""

import functools
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from manual.entries import Entry, entries
from manual.samples import other_than
from manual.words import described, said
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import read_object
from serve_daemon.api.operation import Operation
from serve_daemon.api.operations import OPERATIONS

PAGE = Path(__file__).parents[2] / "man" / "serve-daemon-api.7.scd"
BEGIN = "; What follows is made from the code by make manual.\n"
END = "; Here ends what is made.\n"
WIDTH = 100


def page() -> str:
    """The whole page, as it should be."""
    text = PAGE.read_text("utf-8")
    head, tail = text[: text.index(BEGIN)], text[text.index(END) :]
    return f"{head}{BEGIN}\n{made()}\n{tail}"


def made() -> str:
    return "\n".join(line for operation in OPERATIONS for line in _section(operation))


@functools.cache
def told_entries() -> dict[str, list[tuple[Entry, str]]]:
    """The entries of each operation, by its path, with the one where it is told of what is in them.

    What is in a field is told once, of the first operation that has that field.
    """
    told: dict[str, list[tuple[Entry, str]]] = {}
    first: dict[bytes, str] = {}
    for entry in entries():
        name = entry.steps[0]
        top = msgspec.json.encode((name, entry.top))
        owner = first.setdefault(top, entry.operation.path)
        if owner == entry.operation.path or entry.path == name:
            told.setdefault(entry.operation.path, []).append((entry, owner))
    return told


def _section(operation: Operation) -> Iterator[str]:
    yield f"## {operation.method.upper()} {escaped(operation.path)}"
    yield ""
    yield from _wrapped(f"{escaped(operation.summary)}.", "")
    yield ""
    for parameter in operation.parameters:
        yield f"*{escaped(parameter.name)}* ({parameter.place})"
        yield from _wrapped(escaped(_sentences(said(parameter.schema), parameter.description)))
        yield ""
    for entry, owner in told_entries().get(operation.path, ()):
        yield f"*{escaped(entry.path)}*{' (required)' if entry.is_required else ''}"
        yield from _wrapped(escaped(meaning(entry, owner)))
        yield ""


def meaning(entry: Entry, owner: str) -> str:
    """What the page says of a field."""
    parts = [said(entry.schema)]
    refusal = refusal_of(entry)
    if refusal:
        parts.append(f"Anything else: {refusal}" if parts[0] else f"Refused: {refusal}")
    parts += [each for each in described(entry.schema) if each.lower() not in refusal.lower()]
    if owner != entry.operation.path:
        parts.append(f"What is in it: as of {owner}.")
    return _sentences(*parts)


def refusal_of(entry: Entry) -> str:
    """What is said to a value that is none of the few that are accepted; "" where many are."""
    value = other_than(entry.schema)
    if value is None or entry.operation.table is None:
        return ""
    try:
        read_object(entry.operation.table, entry.filled(value))
    except InvalidRequest as error:
        return error.message
    raise AssertionError(f"{entry.operation.path}: {entry.path} takes {value!r}")


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _wrapped(text: str, indent: str = "\t") -> Iterable[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def escaped(text: str) -> str:
    """As scdoc reads it."""
    for mark in ("\\", "_", "*", "`", "<"):
        text = text.replace(mark, "\\" + mark)
    return text


def main() -> None:
    PAGE.write_text(page(), "utf-8")
