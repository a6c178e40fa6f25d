"""JSON Schemas of the Structs that replies are made of, as components of an OpenAPI document.

msgspec makes such schemas too, but only of unions whose members it could tell apart to decode them,
and it does not say that a field with a default is there all the same.
"""

import types
import typing
from typing import Any

import msgspec
from msgspec import Struct, UnsetType
from msgspec.structs import FieldInfo

from serve_daemon.api.schemas import Schema

PREFIX = "#/components/schemas/"

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    msgspec.Raw: {},
}


class Components:
    """The schemas by name; each Struct has one."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._names: dict[type[Struct], str] = {}

    def add(self, name: str, schema: Schema) -> Schema:
        """Give a schema a name. Returns the reference to it."""
        self.schemas[name] = schema
        return {"$ref": PREFIX + name}

    def schema(self, hint: Any) -> Schema:
        """Of a value that is annotated so. Raises `TypeError` for what is no JSON."""
        if hint in _PLAIN:
            return _PLAIN[hint]
        if isinstance(hint, type) and issubclass(hint, Struct):
            return self._reference(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self.schema(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.schema(arguments[1])}
        if origin in (typing.Union, types.UnionType):
            return self.any_of(*arguments)
        raise TypeError(f"no schema is known for {hint}")

    def any_of(self, *hints: Any) -> Schema:
        """Of a value that is annotated in one of these ways."""
        schemas = [self.schema(each) for each in hints if each is not UnsetType]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _reference(self, kind: type[Struct]) -> Schema:
        if kind not in self._names:
            is_taken = kind.__name__ in self.schemas
            module = kind.__module__.rpartition(".")[2]
            name = f"{module}.{kind.__name__}" if is_taken else kind.__name__
            self._names[kind] = name
            self.schemas[name] = {}  # the name is taken, should it refer to itself
            self.schemas[name] = self._object(kind)
        return {"$ref": PREFIX + self._names[kind]}

    def _object(self, kind: type[Struct]) -> Schema:
        fields = msgspec.structs.fields(kind)
        config = kind.__struct_config__
        properties = {each.encode_name: self.schema(each.type) for each in fields}
        required = [
            each.encode_name for each in fields if _is_always_there(each, config.omit_defaults)
        ]
        if config.tag_field is not None:
            properties = {config.tag_field: {"const": config.tag}, **properties}
            required = [config.tag_field, *required]
        schema: Schema = {"type": "object", "properties": properties, "required": required}
        if says_something(kind):
            schema["description"] = str(kind.__doc__)
        return schema


def _is_always_there(field: FieldInfo, omits_defaults: bool) -> bool:
    return UnsetType not in typing.get_args(field.type) and (field.required or not omits_defaults)


def says_something(kind: type[Struct]) -> bool:
    """Whether the class has a docstring of its own."""
    return bool(kind.__doc__) and "\n" not in str(kind.__doc__).strip()
