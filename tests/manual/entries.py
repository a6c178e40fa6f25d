"""Every field of every request body, found by walking the schemas of the tables."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from manual.samples import only_value, sample
from serve_daemon.api.fields import object_schema
from serve_daemon.api.operation import Operation
from serve_daemon.api.operations import OPERATIONS
from serve_daemon.api.schemas import Schema


class Entry(Struct, frozen=True):
    """One field: where it is, and a body in which it is all that is not needed."""

    operation: Operation
    path: str  # such as messages[role=user].content[type=text].text
    schema: Schema
    is_required: bool
    steps: tuple[Any, ...]  # keys and indices from the body to the field
    body: Any  # of which the last step is to be set

    @property
    def top(self) -> Schema:
        """The schema of the field of the body that it is, or is in."""
        assert self.operation.table is not None
        fields: dict[str, Schema] = object_schema(self.operation.table)["properties"]
        return fields[self.steps[0]]

    def filled(self, value: Any) -> Any:
        """The body with `value` in the field's place."""
        return _set(self.body, self.steps, value)


def entries() -> Iterator[Entry]:
    """Those of all operations that take a body."""
    for operation in OPERATIONS:
        if operation.table is not None:
            schema = object_schema(operation.table)
            yield from _fields(operation, schema, "", (), sample(schema))


def _fields(
    operation: Operation, schema: Schema, path: str, steps: tuple[Any, ...], body: Any
) -> Iterator[Entry]:
    """The fields of an object that is at `steps` in `body`, and whatever is in them."""
    for name, field in schema["properties"].items():
        if "const" in field:
            continue  # it stands in the path of the others
        where = f"{path}.{name}" if path else name
        inner = (*steps, name)
        yield Entry(operation, where, field, name in schema["required"], inner, body)
        yield from _within(operation, field, where, inner, body)


def _within(
    operation: Operation, schema: Schema, path: str, steps: tuple[Any, ...], body: Any
) -> Iterator[Entry]:
    """The fields of the objects that a value may be made of."""
    if "items" in schema:
        inner = _set(body, steps, [sample(schema["items"])])
        yield from _within(operation, schema["items"], f"{path}[]", (*steps, 0), inner)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _within(operation, branch, path, steps, body)
    if "properties" in schema:
        inner = _set(body, steps, sample(schema))
        yield from _fields(operation, schema, path + _kind(schema), steps, inner)


def _kind(schema: Schema) -> str:
    """What tells objects of this kind from others in their place: [type=text]."""
    for name, field in schema["properties"].items():
        if name in schema["required"] and (value := only_value(field)) is not None:
            return f"[{name}={value}]"
    return ""


def _set(value: Any, steps: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` in which `new` is at `steps`."""
    if not steps:
        return new
    first, *rest = steps
    if isinstance(value, list):
        return [_set(value[0] if value else {}, tuple(rest), new)]
    return {**(value or {}), first: _set((value or {}).get(first), tuple(rest), new)}
