"""Objects of several kinds, told apart by one of their fields, each read by a table of its own."""

from collections.abc import Mapping
from typing import Any

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Table,
    as_object,
    join,
    missing,
    object_schema,
    read_object,
    text,
    unsupported,
    wrong_type,
)
from serve_daemon.api.schemas import Described, Result, Schema, array_of, with_note

Attributes = dict[str, Any]
Read = tuple[str, Attributes]  # the kind, and what its table made of the object
Variant = Described[Read]


def variant(
    tables: Mapping[str, Table], *, tag: str = "type", refused: Mapping[str, str] | None = None
) -> Variant:
    """Objects of these kinds, read by the table of the kind that they say they are.

    Each table has the field `tag` too. `refused`: kinds that are known and not supported, each
    with a clause that says why.
    """
    reasons = refused or {}

    def read(value: Any, path: str) -> Read:
        where = join(path, tag)
        given = as_object(value, path).get(tag)
        if given is None:
            raise missing(where)
        kind = text(given, where)
        if kind not in tables:
            raise unsupported(where, kind, reasons.get(kind, ""))
        return kind, read_object(tables[kind], value, path)

    schema = {"oneOf": [_schema_of(table, tag, kind) for kind, table in tables.items()]}
    return Described(read, with_note(schema, _told(tag, reasons)))


def _told(tag: str, refused: Mapping[str, str]) -> str:
    """What is refused, and why, as a sentence without its end."""
    by_reason: dict[str, list[str]] = {}
    for kind, reason in refused.items():
        by_reason.setdefault(reason, []).append(kind)
    parts = [f"{', '.join(kinds)} ({reason})" for reason, kinds in by_reason.items()]
    return f"refused, by their '{tag}': {'; '.join(parts)}" if parts else ""


def _schema_of(table: Table, tag: str, kind: str) -> Schema:
    schema = object_schema(table)
    return {
        **schema,
        "properties": {**schema["properties"], tag: {"const": kind}},
        "required": [tag, *(name for name in schema["required"] if name != tag)],
    }


def items(
    item: Described[Result], what: str = "an array", *, least: int = 0
) -> Described[list[Result]]:
    """An array of so many such items at least; `what` it is, for the error."""

    def read(value: Any, path: str) -> list[Result]:
        if not isinstance(value, list):
            raise wrong_type(path, what, value)
        if len(value) < least:
            message = f"Invalid '{path}': {len(value)} items, of which it needs {least} at least."
            raise InvalidRequest(message, path, "empty_array")
        return [item(each, f"{path}[{index}]") for index, each in enumerate(value)]

    return Described(read, array_of(item.schema, least=least))
