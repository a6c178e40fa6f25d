"""How a model writes its answers, from the response template that a tokenizer may come with.

Transformers' response templates say with patterns where the parts of an answer begin and end. What
they say in so many words can be told to a grammar too, and can be read while it comes; of patterns
that say more than that, nothing is made.
"""

import functools
import json
import re
from typing import Any

from serve_daemon.gateway.parsing.tool_writing import Form, Tag, ToolSyntax

REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
GROUP = re.compile(r"\(\?P<(\w+)>[^()]*\)")
# White space of any kind, a character that is escaped, or one that means itself.
PLAIN = re.compile(r"\\s[*+?]?|\\(\W)|([^\\\[\](){}*+?.^$|])")
PLACEHOLDER = re.compile(r"\{(?:content\.)?(\w+)\}")


def syntax_in(response_template: str) -> ToolSyntax | None:
    """How calls are written; None where that can't be told."""
    fields = _fields(response_template)
    call = fields.get("tool_calls")
    if not isinstance(call, dict):
        return None
    begin, end = _boundary(call, "open"), _boundary(call, "close")
    if not begin or end is None or len(end) != 1:
        return None
    text = fields.get("content", {})
    written = _named(call, begin) if len(begin) > 1 else _unnamed(call, begin)
    if written is None:
        return None
    return ToolSyntax(
        family="response template",
        end=end[0],
        text_begin=_literal_of(text, "open"),
        text_end=_literal_of(text, "close") if text.get("open") else "",
        **written,
    )


def reasoning_in(response_template: str) -> tuple[str, str] | None:
    """What begins reasoning and what ends it; None where that can't be told."""
    fields = _fields(response_template)
    for name in REASONING_FIELDS:
        field = fields.get(name)
        if isinstance(field, dict):
            begin, end = _literal_of(field, "open"), _literal_of(field, "close")
            return (begin, end) if begin and end else None
    return None


@functools.lru_cache(maxsize=64)
def _fields(response_template: str) -> dict[str, Any]:
    told = json.loads(response_template) if response_template else {}
    fields = told.get("fields", {}) if isinstance(told, dict) else {}
    return fields if isinstance(fields, dict) else {}


# ---------------------------------------------------------------- forms of calls


def _unnamed(call: dict[str, Any], begin: list[str]) -> dict[str, Any] | None:
    """Calls whose name stands in their JSON."""
    if call.get("content") != "json":
        return None
    form: Form = "list" if call.get("transform_each") else "object"
    match call.get("transform"):
        case {"function": "{content}"}:
            return {"form": form, "begin": begin[0]}
        case {"function": {"name": str(name), "arguments": str(arguments)}}:
            keys = PLACEHOLDER.fullmatch(name), PLACEHOLDER.fullmatch(arguments)
            if keys[0] and keys[1]:
                named = {"name_key": keys[0][1], "arguments_key": keys[1][1]}
                return {"form": form, "begin": begin[0], **named}
    return None


def _named(call: dict[str, Any], begin: list[str]) -> dict[str, Any] | None:
    """Calls whose name stands before their arguments."""
    head: dict[str, Any] = {"begin": begin[0], "name_end": begin[1]}
    options = call.get("content_args", {})
    match call.get("content"):
        case "xml-inline":
            match _parts(options.get("tag_pattern", "")):
                case [before, between, after]:
                    return {**head, "form": "tags", "tag": Tag(before, between, after)}
        case "json" if not options:
            return {**head, "form": "named"}
        case "json":
            delimiters = options.get("string_delims", [])
            if len(delimiters) == 1 and len(set(delimiters[0])) == 1:
                return {**head, "form": "lax", "quote": delimiters[0][0]}
    return None


# ---------------------------------------------------------------- literals and patterns


def _boundary(field: dict[str, Any], name: str) -> list[str] | None:
    """What a boundary consists of, before and after the groups in it; None if that is no text."""
    if f"{name}_pattern" in field:
        return _parts(field[f"{name}_pattern"])
    literal = _literal_of(field, name)
    return [literal] if literal else None


def _literal_of(field: dict[str, Any], name: str) -> str:
    """The first of those that a field has, as Transformers writes when it is one; "" if none."""
    literal = field.get(name, "")
    return str(literal[0] if isinstance(literal, list) and literal else literal or "")


def _parts(pattern: str) -> list[str] | None:
    parts = [_plain(part) for part in GROUP.split(pattern)[::2]]
    return [part for part in parts if part is not None] if None not in parts else None


def _plain(pattern: str) -> str | None:
    """The text that a pattern stands for; None where it stands for more than one."""
    if PLAIN.sub("", pattern):
        return None
    return PLAIN.sub(lambda found: found[1] or found[2] or "\n", pattern).strip("\n")
