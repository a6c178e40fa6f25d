"""How a table of fields reads a request: each is honoured, or refused by its name.

A `Reader` gets a field's JSON value and its path and returns what is made of it, or raises
`InvalidRequest`; those that are `Described` say what they accept as a schema too. A table maps the
names of an object's fields to a `Field`; what the table does not know is refused too, so no field
is ever ignored.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.schemas import (
    Described,
    Schema,
    array_of,
    described,
    nullable,
    schema_of,
    with_note,
)

Reader = Callable[[Any, str], Any]


class Field(Struct, frozen=True):
    """One field of a request: where its value goes, and how it is read."""

    read: Reader
    target: str = ""  # the attribute of the request that it fills; none: it is only checked
    required: bool = False
    note: str = ""  # for the manual: what honours it, or on which condition


Table = Mapping[str, Field]


def read_object(table: Table, value: Any, path: str = "") -> dict[str, Any]:
    """The attributes that `value` gives; null counts as absent."""
    fields = as_object(value, path)
    attributes: dict[str, Any] = {}
    for name, given in fields.items():
        where = join(path, name)
        field = table.get(name)
        if field is None:
            raise InvalidRequest(f"Unknown parameter: '{where}'.", where, "unknown_parameter")
        if given is None:
            continue
        result = field.read(given, where)
        if field.target:
            attributes[field.target] = result
    for name, field in table.items():
        if field.required and fields.get(name) is None:
            raise missing(join(path, name))
    return attributes


def object_schema(table: Table) -> Schema:
    """Of the objects that `read_object` accepts."""
    return {
        "type": "object",
        "properties": {name: _schema_of_field(field) for name, field in table.items()},
        "required": [name for name, field in table.items() if field.required],
        "additionalProperties": False,
    }


def _schema_of_field(field: Field) -> Schema:
    schema = schema_of(field.read)
    return with_note(schema if field.required else nullable(schema), field.note)


def as_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    return value


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# ---------------------------------------------------------------- refusals


def missing(path: str) -> InvalidRequest:
    message = f"Missing required parameter: '{path}'."
    return InvalidRequest(message, path, "missing_required_parameter")


def wrong_type(path: str, wanted: str, value: Any) -> InvalidRequest:
    kind = _JSON_NAMES.get(type(value), "a value")
    what = f"for '{path}'" if path else "of the request body"
    return InvalidRequest(
        f"Invalid type {what}: expected {wanted}, but got {kind}.", path or None, "invalid_type"
    )


def unsupported(path: str, value: Any, reason: str = "") -> InvalidRequest:
    """Of a value that is known and not supported; `reason` is a clause that says why."""
    is_shown = isinstance(value, str | int | float)
    shown = f" with {msgspec.json.encode(value).decode():.80}" if is_shown else ""
    why = f": {reason}" if reason else ""
    message = f"Unsupported parameter: this server does not support '{path}'{shown}{why}."
    return InvalidRequest(message, path, "unsupported_parameter")


_JSON_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


# ---------------------------------------------------------------- readers


@described({"type": "string"})
def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)
    return value


@described({"type": "boolean"})
def boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)
    return value


def integer(low: int, high: int) -> Described[int]:
    """A whole number of this range."""

    @described({"type": "integer", "minimum": low, "maximum": high})
    def read(value: Any, path: str) -> int:
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole:
            raise wrong_type(path, "an integer", value)
        _check_range("integer", value, path, (low, high))
        return int(value)

    return read


def number(low: float, high: float, *, above_low: bool = False) -> Described[float]:
    """A number of this range; with `above_low`, `low` itself is outside."""
    bound = "exclusiveMinimum" if above_low else "minimum"

    @described({"type": "number", bound: low, "maximum": high})
    def read(value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(path, "a number", value)
        _check_range("decimal", value, path, (low, high))
        if above_low and value == low:
            message = f"Invalid '{path}': {value} must be greater than {low}."
            raise InvalidRequest(message, path, "decimal_below_min_value")
        return float(value)

    return read


def _check_range(kind: str, value: float, path: str, limits: tuple[float, float]) -> None:
    low, high = limits
    if value < low:
        message = f"Invalid '{path}': {value} is less than the minimum, {low}."
        raise InvalidRequest(message, path, f"{kind}_below_min_value")
    if value > high:
        message = f"Invalid '{path}': {value} is greater than the maximum, {high}."
        raise InvalidRequest(message, path, f"{kind}_above_max_value")


def only(*neutral: Any, reason: str = "") -> Described[Any]:
    """Values that ask for nothing; all others are refused, since this version lacks them.

    `reason` is a clause that says why, where the name doesn't.
    """

    def read(value: Any, path: str) -> Any:
        if not any(_same(value, accepted) for accepted in neutral):
            raise unsupported(path, value, reason)
        return value

    return Described(read, with_note({"enum": list(neutral) or [None]}, reason))


def _same(value: Any, accepted: Any) -> bool:
    """Equality that tells false from 0."""
    return isinstance(value, bool) == isinstance(accepted, bool) and bool(value == accepted)


def group(table: Table) -> Described[dict[str, Any]]:
    """An object whose fields are read by a table of their own."""
    return Described(lambda value, path: read_object(table, value, path), object_schema(table))


MAX_LABELS = 16
MAX_STOPS = 4


@described(
    {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": MAX_LABELS}
)
def labels(value: Any, path: str) -> dict[str, str]:
    """The metadata of a request: at most 16 pairs of strings."""
    pairs = as_object(value, path)
    if len(pairs) > MAX_LABELS:
        message = f"Invalid '{path}': {len(pairs)} pairs are more than the maximum, {MAX_LABELS}."
        raise InvalidRequest(message, path, "object_above_max_properties")
    return {name: text(label, join(path, name)) for name, label in pairs.items()}


def strings(kind: str, most: int) -> Described[list[str]]:
    """At most so many strings of this kind, none of them empty."""

    @described(array_of({"type": "string", "minLength": 1}, most=most))
    def read(value: Any, path: str) -> list[str]:
        if not isinstance(value, list):
            raise wrong_type(path, "an array of strings", value)
        if len(value) > most:
            message = f"Invalid '{path}': {len(value)} strings are more than the maximum, {most}."
            raise InvalidRequest(message, path, "array_above_max_length")
        for index, string in enumerate(value):
            if not text(string, f"{path}[{index}]"):
                message = f"Invalid '{path}[{index}]': a {kind} must not be empty."
                raise InvalidRequest(message, f"{path}[{index}]", "empty_string")
        return value

    return read


_stops = strings("stop string", MAX_STOPS)


@described({"anyOf": [{"type": "string", "minLength": 1}, _stops.schema]})
def stop_strings(value: Any, path: str) -> list[str]:
    """One stop string, or up to four."""
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list):
        raise wrong_type(path, "a string or an array of strings", value)
    return _stops(stops, path)
