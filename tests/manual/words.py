"""Schemas in words."""

import re
from typing import Any

import msgspec

from serve_daemon.api.schemas import Schema


def said(schema: Schema) -> str:
    """A sentence; "" where nothing but null is accepted."""
    words = _words(schema)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _words(schema: Schema) -> str:
    if "const" in schema:
        return f"only {_shown(schema['const'])}"
    if "enum" in schema:
        values = [_shown(value) for value in schema["enum"] if value is not None]
        return f"only {' or '.join(values)}" if values else ""
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    if branches:
        kinds = [_words(each) for each in branches if each != {"type": "null"}]
        return " or ".join(dict.fromkeys(kind for kind in kinds if kind))
    types = schema.get("type", [])
    kinds = [each for each in ([types] if isinstance(types, str) else types) if each != "null"]
    return " or ".join(_of_type(kind, schema) for kind in kinds) or "any value"


def _of_type(kind: str, schema: Schema) -> str:
    match kind:
        case "string":
            return _string(schema)
        case "boolean":
            return "true or false"
        case "integer" | "number":
            return f"{'an' if kind == 'integer' else 'a'} {kind}{_range(schema)}"
        case "array":
            each = f" (each: {_words(schema['items'])})" if "items" in schema else ""
            return f"an array{_count(schema, 'Items')}{each}"
    return f"an object{_kind(schema)}{_count(schema, 'Properties')}"


def _kind(schema: Schema) -> str:
    kinds = [
        f" of {name} {_shown(field['const'])}"
        for name, field in schema.get("properties", {}).items()
        if "const" in field
    ]
    return "".join(kinds)


def described(schema: Schema) -> list[str]:
    """The sentences that describe a schema, and the kinds of values that it accepts."""
    within = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    within += [schema["items"]] if "items" in schema else []
    said_here = re.split(r"(?<=\.) ", schema["description"]) if "description" in schema else []
    return [*said_here, *(text for each in within for text in described(each))]


def _string(schema: Schema) -> str:
    if "pattern" in schema:
        return f"a string that matches {schema['pattern']}"
    return "a string that is not empty" if schema.get("minLength") else "a string"


def _range(schema: Schema) -> str:
    low, above, high = (
        schema.get("minimum"),
        schema.get("exclusiveMinimum"),
        schema.get("maximum"),
    )
    words = [f"from {low}"] if low is not None else []
    words += [f"above {above}"] if above is not None else []
    words += [f"to {high}"] if high is not None else []
    return f", {' '.join(words)}" if words else ""


def _count(schema: Schema, what: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    words = [f"{least} at least"] if least else []
    words += [f"{most} at most"] if most is not None else []
    return f", {', '.join(words)}" if words else ""


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()
