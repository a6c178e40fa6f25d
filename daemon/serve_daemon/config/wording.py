"""What pydantic finds wrong with a value, said as what it is and what to do."""

import json
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from serve_daemon.config.keys import field_at, known_at, named_tables
from serve_daemon.config.problems import KeyPath, dotted

_LONGEST_VALUE = 60  # characters

Wording = Callable[[KeyPath, Any, dict[str, Any]], str]


def is_about_the_key(error: ErrorDetails) -> bool:
    """Whether the key itself is wrong, not its value."""
    return error["type"] == "extra_forbidden" or "[key]" in error["loc"]


def path_of(error: ErrorDetails) -> KeyPath:
    """The path of the key that is wrong or whose value is."""
    return tuple(part for part in error["loc"] if part != "[key]")


def message_of(error: ErrorDetails) -> str:
    """What is wrong, and what to do."""
    path, value = path_of(error), error["input"]
    wording = _WORDINGS.get(error["type"])
    if wording:
        return wording(path, value, error.get("ctx", {}))
    return f"{_shown(value)} can't be used: {error['msg']}"


def _unknown_key(path: KeyPath, value: Any, _: dict[str, Any]) -> str:
    if isinstance(value, dict) and path[0] in named_tables():
        whole = (path[0], ".".join(str(part) for part in path[1:]))
        return f"unknown table; a name with dots needs quotes: [{dotted(whole)}]"
    known = known_at(path[:-1])
    close = get_close_matches(str(path[-1]), known, n=1)
    if close:
        return f"unknown key, did you mean {close[0]}?"
    return f"unknown key, remove it or use one of {', '.join(known)}"


def _choice(_: KeyPath, value: Any, context: dict[str, Any]) -> str:
    return f"{_shown(value)} is not known, use {str(context['expected']).replace(chr(39), '')}"


def _pattern(path: KeyPath, value: Any, _: dict[str, Any]) -> str:
    field = field_at(path)
    described = field.description if field and field.description else "another value"
    return f"{_shown(value)} does not fit, use: {described}"


def _too_long(_: KeyPath, value: Any, context: dict[str, Any]) -> str:
    return f"{_shown(value)} is too large, use at most {context['le']}"


def _expected(what: str) -> Wording:
    def wording(_: KeyPath, value: Any, __: dict[str, Any]) -> str:
        return f"{_shown(value)} is {_kind(value)}, write {what}"

    return wording


def _said_by_validator(_: KeyPath, __: Any, context: dict[str, Any]) -> str:
    return str(context["error"])


def _size(_: KeyPath, value: Any, __: dict[str, Any]) -> str:
    return f"{_shown(value)} is no size, write bytes as an integer or a text like 512MiB or 2GiB"


_WORDINGS: dict[str, Wording] = {
    "extra_forbidden": _unknown_key,
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "value_error": _said_by_validator,
    "byte_size": _size,
    "byte_size_unit": _size,
    "string_type": _expected("a text in quotes"),
    "int_type": _expected("an integer"),
    "float_type": _expected("a number"),
    "bool_type": _expected("true or false"),
    "list_type": _expected("a list like [...]"),
    "model_type": _expected("a table"),
    "dict_type": _expected("a table"),
    "finite_number": lambda _, value, __: f"{_shown(value)} is not finite, write a number",
    "string_too_short": lambda *_: "is empty, write a text",
    "too_short": lambda *_: "is empty, write at least one item",
    "greater_than": lambda _, value, context: (
        f"{_shown(value)} is too small, use more than {context['gt']:g}"
    ),
    "greater_than_equal": lambda _, value, context: (
        f"{_shown(value)} is too small, use at least {context['ge']}"
    ),
    "less_than_equal": _too_long,
}


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a date or time")


_KINDS: dict[type, str] = {
    bool: "a boolean",
    str: "a text",
    int: "an integer",
    float: "a number with a fraction",
    list: "a list",
    dict: "a table",
}
