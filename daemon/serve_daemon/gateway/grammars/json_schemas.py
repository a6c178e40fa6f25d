"""JSON schemas as llguidance is to read them: how JSON is written, and what they leave open.

An answer still fits the schema that the client gave; there is only less that does.
"""

from collections.abc import Callable, Iterator
from typing import Any

from serve_daemon.api.tools import FunctionTool

Schema = dict[str, Any]

# One space may follow what separates, as models have learnt it. Whitespace without bound would
# let a small model write it for ever.
_COMPACT: Schema = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
}
# So would digits. These are as many as every reader of JSON keeps (RFC 8259, section 6).
_LARGEST = 999_999_999_999_999
_SMALLEST_PART = 1e-9

NO_ARGUMENTS: Schema = {"type": "object", "properties": {}, "additionalProperties": False}
ANY_OBJECT: Schema = {"type": "object"}
_NOTHING: Schema = {"enum": []}

# Beside these a schema that is closed could contradict another one.
_COMBINED = ("$ref", "allOf", "anyOf", "oneOf", "patternProperties", "unevaluatedProperties")
_OPEN = "additionalProperties"
# Where schemas stand in a schema.
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", _OPEN)


def written(schema: Schema | bool, whitespace: str = "", *, is_lenient: bool = False) -> Schema:
    """`schema` with the way in which its JSON is written.

    `whitespace` is a regex of what may stand where JSON may have space. With `is_lenient`, keywords
    that llguidance does not know constrain nothing; else they are refused.
    """
    rules = {} if schema is True else _NOTHING if schema is False else schema
    options: dict[str, Any] = {"whitespace_pattern": whitespace} if whitespace else dict(_COMPACT)
    if is_lenient:
        options["lenient"] = True
    return {**_changed(rules, _limited), "x-guidance": options}


def arguments_of(tool: FunctionTool) -> Schema:
    """What a call of `tool` has for arguments: an object, and nothing that it does not name."""
    if tool.parameters is None:
        return NO_ARGUMENTS
    parameters = tool.parameters
    if "type" not in parameters and not any(each in parameters for each in _COMBINED):
        parameters = {"type": "object", **parameters}
    return closed(parameters)


def closed(schema: Schema) -> Schema:
    """`schema` whose objects have the properties that it names for them, and no others.

    Where it says itself what others there may be, or combines schemas, it is left as it is.
    """
    nodes = list(_nodes(schema))
    if any("allOf" in each or ("properties" in each and _is_combined(each)) for each in nodes):
        return schema
    result: Schema = _changed(schema, _close)
    return result


def _is_combined(schema: Schema) -> bool:
    return any(key in schema for key in _COMBINED)


def _close(schema: Schema) -> Schema:
    return {**schema, _OPEN: False} if "properties" in schema and _OPEN not in schema else schema


def _limited(schema: Schema) -> Schema:
    """With bounds where a number has none."""
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or not {"integer", "number"} & {str(kind) for kind in kinds}:
        return schema
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    limits: Schema = {}
    if low is None and (high is None or _is_within(high)):
        limits["minimum"] = -_LARGEST
    if high is None and (low is None or _is_within(low)):
        limits["maximum"] = _LARGEST
    if "number" in kinds and "multipleOf" not in schema:
        limits["multipleOf"] = _SMALLEST_PART
    return {**schema, **limits}


def _is_within(bound: object) -> bool:
    return isinstance(bound, int | float) and abs(bound) < _LARGEST


def _changed(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """`schema` with `change` made to each schema in it."""
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    for key, value in schema.items():
        if key in _BY_NAME and isinstance(value, dict):
            result[key] = {name: _changed(each, change) for name, each in value.items()}
        elif key in _LISTS and isinstance(value, list):
            result[key] = [_changed(each, change) for each in value]
        elif key in _SINGLE:
            result[key] = _changed(value, change)
    return change(result)


def _nodes(schema: Any) -> Iterator[Schema]:
    """Each schema in `schema`."""
    found: list[Schema] = []

    def note(each: Schema) -> Schema:
        found.append(each)
        return each

    _changed(schema, note)
    return iter(found)
