"""What form the text of an answer must have, in each of the ways in which clients say it."""

import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import (
    Field,
    Table,
    as_object,
    boolean,
    join,
    object_schema,
    only,
    read_object,
    strings,
    text,
    wrong_type,
)
from serve_daemon.api.schemas import Schema, array_of, described
from serve_daemon.api.variants import variant

Kind = Literal["text", "json_object", "json_schema", "regex", "choice", "grammar"]

MAX_CHOICES = 1024
NOT_EMPTY: Schema = {"type": "string", "minLength": 1}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class OutputFormat(Struct, frozen=True):
    """One form; the attribute that belongs to `kind` is filled."""

    kind: Kind = "text"
    name: str = ""  # of a JSON schema
    description: str = ""
    schema: dict[str, Any] | bool = True  # of json_schema
    strict: bool = False
    pattern: str = ""  # of regex
    choices: list[str] = []  # of choice
    grammar: str = ""  # of grammar: Lark or GBNF
    whitespace: str = ""  # of JSON: a regex of what may stand where space may; "": none
    is_closed: bool = False  # of json_schema: no properties but those that it names
    field: str = "response_format"  # where the request says it, for errors


TEXT = OutputFormat()

# ---------------------------------------------------------------- OpenAI's forms


@described({"type": "string", "pattern": f"^{NAME.pattern}$"})
def _schema_name(value: Any, path: str) -> str:
    name = text(value, path)
    if not NAME.fullmatch(name):
        message = (
            f"Invalid '{path}': {name!r:.80} is no name; it has 1 to 64 letters, digits,"
            " underscores and dashes."
        )
        raise InvalidRequest(message, path, "invalid_value")
    return name


@described({"type": "object"})
def _schema(value: Any, path: str) -> dict[str, Any]:
    return as_object(value, path)


_NAMED_SCHEMA: Table = {
    "name": Field(_schema_name, "name", required=True),
    "description": Field(text, "description"),
    "schema": Field(_schema, "schema"),
    "strict": Field(boolean, "strict"),
}


@described(object_schema(_NAMED_SCHEMA))
def _named_schema(value: Any, path: str) -> dict[str, Any]:
    return read_object(_NAMED_SCHEMA, value, path) | {"field": join(path, "schema")}


_TYPE: Table = {"type": Field(text)}
_TYPES_ALONE: dict[str, Table] = {"text": _TYPE, "json_object": _TYPE}
_IN_CHAT: Table = {**_TYPE, "json_schema": Field(_named_schema, "json_schema", required=True)}
_IN_RESPONSES: Table = {**_TYPE, **_NAMED_SCHEMA, "schema": Field(_schema, "schema", required=True)}
_chat_format = variant({**_TYPES_ALONE, "json_schema": _IN_CHAT})
_responses_format = variant({**_TYPES_ALONE, "json_schema": _IN_RESPONSES})


@described(_chat_format.schema)
def response_format(value: Any, path: str) -> OutputFormat:
    """`response_format` of chat completions: a JSON schema stands in an object of its own."""
    kind, attributes = _chat_format(value, path)
    if kind == "json_schema":
        return OutputFormat("json_schema", **attributes["json_schema"])
    return TEXT if kind == "text" else OutputFormat("json_object", field=path)


@described(_responses_format.schema)
def text_format(value: Any, path: str) -> OutputFormat:
    """`text.format` of responses: all fields of a JSON schema stand beside its type."""
    kind, attributes = _responses_format(value, path)
    if kind == "json_schema":
        return OutputFormat("json_schema", **attributes, field=join(path, "schema"))
    return TEXT if kind == "text" else OutputFormat("json_object", field=path)


# ---------------------------------------------------------------- forms of vLLM


@described({"type": ["object", "boolean", "string"]})
def guided_json(value: Any, path: str) -> OutputFormat:
    """A JSON schema, or its text."""
    if isinstance(value, str):
        value = _parsed(value, path)
    if not isinstance(value, dict | bool):
        raise wrong_type(path, "a JSON schema", value)
    return OutputFormat("json_schema", schema=value, field=path)


@described(NOT_EMPTY)
def guided_regex(value: Any, path: str) -> OutputFormat:
    return OutputFormat("regex", pattern=_not_empty(value, path), field=path)


@described(array_of(NOT_EMPTY, least=1, most=MAX_CHOICES))
def guided_choice(value: Any, path: str) -> OutputFormat:
    choices = strings("choice", MAX_CHOICES)(value, path)
    if not choices:
        message = f"Invalid '{path}': there is no choice."
        raise InvalidRequest(message, path, "empty_array")
    return OutputFormat("choice", choices=choices, field=path)


@described(NOT_EMPTY)
def guided_grammar(value: Any, path: str) -> OutputFormat:
    """A grammar in llguidance's Lark, or in GBNF."""
    return OutputFormat("grammar", grammar=_not_empty(value, path), field=path)


@described(boolean.schema)
def json_object(value: Any, path: str) -> OutputFormat:
    return OutputFormat("json_object", field=path) if boolean(value, path) else TEXT


@described(NOT_EMPTY)
def _not_empty(value: Any, path: str) -> str:
    if not text(value, path):
        raise InvalidRequest(f"Invalid '{path}': it must not be empty.", path, "empty_string")
    return str(value)


def _parsed(value: str, path: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"Invalid '{path}': the string is no JSON: {error}"
        raise InvalidRequest(message, path, "invalid_value") from error


_CONSTRAINTS: Table = {
    "json": Field(guided_json, "json"),
    "regex": Field(guided_regex, "regex"),
    "choice": Field(guided_choice, "choice"),
    "grammar": Field(guided_grammar, "grammar"),
    "json_object": Field(json_object, "json_object"),
}
_OPTIONS = ("whitespace", "is_closed", "is_compact")
_STRUCTURED_OUTPUTS: Table = {
    **_CONSTRAINTS,
    "structural_tag": Field(only()),
    "whitespace_pattern": Field(_not_empty, "whitespace"),
    "disable_any_whitespace": Field(boolean, "is_compact"),
    "disable_additional_properties": Field(boolean, "is_closed"),
    "disable_fallback": Field(boolean),  # there is nothing to fall back to
}


@described(object_schema(_STRUCTURED_OUTPUTS))
def structured_outputs(value: Any, path: str) -> OutputFormat:
    """`structured_outputs` as vLLM has it: exactly one constraint, and how JSON is written."""
    attributes = read_object(_STRUCTURED_OUTPUTS, value, path)
    options = {name: attributes.pop(name) for name in _OPTIONS if name in attributes}
    if options.pop("is_compact", False) and "whitespace" in options:
        where = join(path, "whitespace_pattern")
        message = f"Invalid '{where}': 'disable_any_whitespace' leaves no place for whitespace."
        raise InvalidRequest(message, where, "invalid_value")
    formats: list[OutputFormat] = [each for each in attributes.values() if each is not TEXT]
    if len(formats) != 1:
        message = (
            f"Invalid '{path}': it has {len(formats)} constraints; it must have one of"
            f" {', '.join(_CONSTRAINTS)}."
        )
        raise InvalidRequest(message, path, "invalid_value")
    return msgspec.structs.replace(formats[0], **options)


# ---------------------------------------------------------------- together

# Each says the form of the answer; of a request, one may.
FORMAT_FIELDS: Table = {
    "response_format": Field(response_format, "response_format"),
    "structured_outputs": Field(structured_outputs, "structured_outputs"),
    "guided_json": Field(guided_json, "guided_json"),
    "guided_regex": Field(guided_regex, "guided_regex"),
    "guided_choice": Field(guided_choice, "guided_choice"),
    "guided_grammar": Field(guided_grammar, "guided_grammar"),
    "guided_whitespace_pattern": Field(_not_empty, "guided_whitespace_pattern"),
}


def take_output_format(attributes: dict[str, Any]) -> OutputFormat:
    """The one form that the fields of `FORMAT_FIELDS` ask for, taken out of `attributes`.

    Raises `InvalidRequest` where several do.
    """
    given = {name: attributes.pop(name) for name in FORMAT_FIELDS if name in attributes}
    whitespace = given.pop("guided_whitespace_pattern", "")
    asked = {name: form for name, form in given.items() if form.kind != "text"}
    if len(asked) > 1:
        first, second, *_ = asked
        message = f"Invalid '{second}': '{first}' says the form of the answer already."
        raise InvalidRequest(message, second, "invalid_value")
    form = next(iter(asked.values()), TEXT)
    return msgspec.structs.replace(form, whitespace=whitespace) if whitespace else form
