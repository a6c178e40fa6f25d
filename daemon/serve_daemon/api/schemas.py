"""What JSON a reader of a field accepts, said as a JSON Schema (2020-12) beside it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

Schema = dict[str, Any]
Result = TypeVar("Result")


class Described(Struct, Generic[Result], frozen=True):
    """A reader, called as any other, and the schema of the values that it accepts.

    Where no schema can say all that it refuses, it says what it can.
    """

    read: Callable[[Any, str], Result]
    schema: Schema

    def __call__(self, value: Any, path: str) -> Result:
        return self.read(value, path)


def described(
    schema: Schema,
) -> Callable[[Callable[[Any, str], Result]], Described[Result]]:
    """Of a function that reads, with this schema, a `Described`."""
    return lambda read: Described(read, schema)


def schema_of(reader: Callable[[Any, str], Any]) -> Schema:
    """The schema of what `reader` accepts; of one that is not described, anything."""
    return reader.schema if isinstance(reader, Described) else {}


def nullable(schema: Schema) -> Schema:
    """`schema`, or null."""
    if "enum" in schema:
        values = schema["enum"]
        return {**schema, "enum": values if None in values else [*values, None]}
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if not schema:
        return {}
    return {"anyOf": [schema, {"type": "null"}]}


def with_note(schema: Schema, note: str) -> Schema:
    """`schema` with a sentence more in its description."""
    if not note:
        return schema
    said = schema.get("description")
    sentence = f"{note[0].upper()}{note[1:]}."
    return {**schema, "description": f"{said} {sentence}" if said else sentence}


def array_of(items: Schema, *, least: int = 0, most: int | None = None) -> Schema:
    """The schema of an array with so many such items."""
    schema: Schema = {"type": "array", "items": items}
    if least:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return schema
