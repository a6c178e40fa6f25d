"""Calls of tools as expressions of a grammar, in each of the forms in which models write them."""

import json
from typing import Any

from msgspec import Struct

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.grammars import lax_json
from serve_daemon.gateway.grammars.json_schemas import Schema, arguments_of, written
from serve_daemon.gateway.grammars.lark import Lark, embedded_json, literal, one_of
from serve_daemon.gateway.parsing.tool_writing import Tag, ToolSyntax


class Offered(Struct, frozen=True):
    """A tool that may be called, and the field where the request offers it."""

    tool: FunctionTool
    field: str


class Calls:
    """The calls that an answer may have."""

    def __init__(
        self, lark: Lark, syntax: ToolSyntax, offered: list[Offered], *, is_single: bool
    ) -> None:
        self._lark = lark
        self._syntax = syntax
        # Where a call is over the model ends its answer, by that mark.
        self._ends_answer = syntax.end in syntax.stops
        self._is_single = is_single or self._ends_answer
        self._one = self._call(offered)

    def all(self) -> str:
        """One call or several, from the first mark on."""
        syntax = self._syntax
        return self._join(syntax.section_begin.lstrip(), syntax.begin)

    def after_first_mark(self) -> str:
        """The same, where the first mark is written already."""
        syntax, mark = self._syntax, self._syntax.first_mark
        if syntax.section_begin:
            return self._join(syntax.section_begin.lstrip()[len(mark) :], syntax.begin)
        return self._join("", syntax.begin.lstrip()[len(mark) :])

    def _join(self, section_begin: str, begin: str) -> str:
        mark, syntax = self._lark.mark, self._syntax
        if syntax.form == "list":
            more = "" if self._is_single else f"(/, ?/ {self._one})*"
            calls = [mark(begin), '"["', self._one, more, '"]"', mark(syntax.end)]
        else:
            call = [self._one, "" if self._ends_answer else mark(syntax.end)]
            more = " ".join(filter(None, [mark(syntax.between), mark(syntax.begin), *call]))
            calls = [mark(begin), *call, "" if self._is_single else f"({more})*"]
        return " ".join(filter(None, [mark(section_begin), *calls, mark(syntax.section_end)]))

    # ------------------------------------------------------------ one call

    def _call(self, offered: list[Offered]) -> str:
        """What stands between the marks of a call."""
        write = {
            "object": self._object,
            "list": self._object,
            "named": self._named,
            "tags": self._tags,
            "lax": self._lax,
        }[self._syntax.form]
        return self._lark.rule("call", one_of(write(each) for each in offered))

    def _object(self, offered: Offered) -> str:
        name_key, arguments_key = self._syntax.name_key, self._syntax.arguments_key
        name = json.dumps(offered.tool.name, ensure_ascii=False)
        head = literal(f'{{"{name_key}": {name}, "{arguments_key}": ')
        return f'{head} {self._arguments(offered)} "}}"'

    def _named(self, offered: Offered) -> str:
        head = self._lark.mark(offered.tool.name + self._syntax.name_end)
        return f"{head} {self._arguments(offered)}"

    def _arguments(self, offered: Offered) -> str:
        schema = written(arguments_of(offered.tool), is_lenient=not offered.tool.strict)
        return self._lark.part(offered.field, embedded_json(schema))

    def _lax(self, offered: Offered) -> str:
        head = self._lark.mark(offered.tool.name + self._syntax.name_end)
        return f"{head} {lax_json.object_of(self._lark, arguments_of(offered.tool), self._syntax)}"

    # ------------------------------------------------------------ arguments between tags

    def _tags(self, offered: Offered) -> str:
        head = self._lark.mark(offered.tool.name + self._syntax.name_end)
        schema = arguments_of(offered.tool)
        required = schema.get("required", [])
        properties: dict[str, Any] = schema.get("properties", {})
        arguments = [
            self._tagged(offered, name, each) + ("" if name in required else "?")
            for name, each in properties.items()
        ]
        return " ".join([head, *arguments])

    def _tagged(self, offered: Offered, name: str, schema: Any) -> str:
        tag = self._syntax.tag or Tag("", "", "")
        head = self._lark.mark(f"{tag.begin}{name}{tag.name_end}")
        if isinstance(schema, dict) and schema.get("type") == "string" and "enum" in schema:
            texts = [self._lark.mark(f"{each}{tag.end}") for each in schema["enum"]]
            value = one_of(texts)
        elif _may_be_text(schema):
            value = self._lark.until(tag.end)
        else:
            json_text = embedded_json(written(schema, is_lenient=not offered.tool.strict))
            value = f"{self._lark.part(offered.field, json_text)} {self._lark.mark(tag.end)}"
        return self._lark.rule("argument", f"{head} {value}")


def _may_be_text(schema: Schema | bool) -> bool:
    """Whether a value of this schema can be a string, which then stands without quotes."""
    if isinstance(schema, bool):
        return True
    kinds = schema.get("type")
    if kinds is None:
        return "enum" not in schema or any(isinstance(each, str) for each in schema["enum"])
    return "string" in ([kinds] if isinstance(kinds, str) else kinds)
