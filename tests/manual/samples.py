"""A small value for each schema that the tables have."""

import re
from collections.abc import Callable
from typing import Any

from serve_daemon.api.schemas import Schema

URL = "https://example.org/x"  # all that is no "x" where a pattern is asked for


def sample(schema: Schema) -> Any:
    """A value that the schema accepts, as small as it may be."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        return sample(branches[0])
    make = _SAMPLES.get(_type(schema))
    return make(schema) if make else None


def only_value(schema: Schema) -> Any:
    """The one value that the schema accepts; None where there are more, or it is null."""
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return values[0] if len(values) == 1 else None


def _object(schema: Schema) -> dict[str, Any]:
    fields = schema.get("properties", {})
    return {name: sample(fields[name]) for name in schema.get("required", ())}


_SAMPLES: dict[str, Callable[[Schema], Any]] = {
    "object": _object,
    "array": lambda schema: [sample(schema.get("items", {}))] * schema.get("minItems", 0),
    "string": lambda schema: "x" if re.search(schema.get("pattern", ""), "x") else URL,
    "boolean": lambda _schema: False,
    "integer": lambda schema: max(1, schema.get("minimum", 1)),
    "number": lambda schema: schema.get("maximum", 1),
}


def _type(schema: Schema) -> str:
    kind = schema.get("type", "")
    return str(kind[0] if isinstance(kind, list) else kind)


def other_than(schema: Schema) -> Any:
    """A value that is none of the few that the schema accepts; None where they are not few."""
    if "enum" not in schema:
        return None
    accepted = [value for value in schema["enum"] if value is not None]
    match accepted[0] if accepted else "":
        case bool(value):
            return not value
        case int(value):
            return value + 1
        case list():
            return ["other"]
        case dict():
            return {"other": 1}
    return "other"
