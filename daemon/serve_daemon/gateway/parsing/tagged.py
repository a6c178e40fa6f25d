"""Arguments that stand in tags, each a bare string or JSON, to the JSON text of an object."""

import json
from typing import Any

from serve_daemon.gateway.parsing.incoming import Incoming, Marks, Say, Waiting
from serve_daemon.gateway.parsing.tool_writing import Tag

# As JSON has them, and as Python.
WORDS = {"true": "true", "false": "false", "null": "null", "none": "null"}
TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
    type(None): "null",
}


def tagged_arguments(
    incoming: Incoming, tag: Tag, schema: dict[str, Any], say: Say
) -> Waiting[None]:
    """Say the JSON of all arguments that come, an object of this schema."""
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    before = "{"
    while (yield from incoming.accept(tag.begin)):
        key: list[str] = []
        yield from incoming.until(Marks([tag.name_end.split()[0]]), key.append)
        yield from incoming.accept(tag.name_end)
        name = "".join(key).strip()
        say(f"{before}{json.dumps(name, ensure_ascii=False)}: ")
        yield from _value(incoming, tag, types_of(known.get(name)), say)
        yield from incoming.accept(tag.end)
        before = ", "
    if not incoming.is_ended or before == "{":
        say("{}" if before == "{" else "}")


def _value(incoming: Incoming, tag: Tag, types: tuple[str, ...], say: Say) -> Waiting[None]:
    end = Marks([tag.end.split()[0]])
    if set(types) <= {"string"}:
        yield from _string(incoming, tag, end, say)
        return
    parts: list[str] = []
    yield from incoming.until(end, parts.append)
    say(as_json("".join(parts).strip(), types))


def _string(incoming: Incoming, tag: Tag, end: Marks, say: Say) -> Waiting[None]:
    """A string is said as it comes, without the line break that the tag has at either side."""
    if tag.name_end.endswith("\n") and (yield from incoming.peek()) == "\n":
        incoming.at += 1
    say('"')
    trim = _without_line_break if tag.end.startswith("\n") else str
    if (yield from incoming.until(end, lambda text: say(escaped(text)), trim)):
        say('"')


def _without_line_break(text: str) -> str:
    return text.removesuffix("\n")


def escaped(text: str) -> str:
    """As in a JSON string; of a part of a text the same as in the whole."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def types_of(schema: Any) -> tuple[str, ...]:
    """The JSON types that a schema allows; () where it doesn't say."""
    if not isinstance(schema, dict):
        return ()
    declared = schema.get("type")
    types = [declared] if isinstance(declared, str) else []
    if isinstance(declared, list):
        types += [each for each in declared if isinstance(each, str)]
    for union in ("anyOf", "oneOf", "allOf"):
        choices = schema.get(union)
        for choice in choices if isinstance(choices, list) else []:
            types += types_of(choice)
    if schema.get("nullable"):
        types.append("null")
    return tuple(types) or _types_of_values(schema)


def _types_of_values(schema: dict[str, Any]) -> tuple[str, ...]:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if not isinstance(values, list):
        return ()
    return tuple({"string" if isinstance(value, str) else "number" for value in values})


def as_json(written: str, types: tuple[str, ...]) -> str:
    """The JSON text of a value that one of these types allows; a string where none does."""
    word = WORDS.get(written.lower())
    if word and ("null" if word == "null" else "boolean") in types:
        return word
    try:
        kind = _type_of(json.loads(written))
    except ValueError:
        kind = "string"
    fits = kind in types or (kind == "integer" and "number" in types)
    return written if fits and kind != "string" else json.dumps(written, ensure_ascii=False)


def _type_of(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return "integer"
    return TYPES[type(value)]
