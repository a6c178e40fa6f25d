"""JSON as some models write it in calls: keys are bare, and strings stand in marks of their own.

No converter of JSON schemas knows it. So what a schema says of names, required properties, plain
types, enums and items is kept to, and the rest of it is not.
"""

from typing import Any

from serve_daemon.gateway.grammars.json_schemas import Schema
from serve_daemon.gateway.grammars.lark import Lark, literal, one_of
from serve_daemon.gateway.parsing.tool_writing import ToolSyntax

_NUMBER = r"/-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/"
_PLAIN = {
    "integer": "/-?(0|[1-9][0-9]*)/",
    "number": _NUMBER,
    "boolean": '("true" | "false")',
    "null": '"null"',
}
_DEEPEST = 8  # levels of a schema; below, anything may stand


def object_of(lark: Lark, schema: Schema, syntax: ToolSyntax) -> str:
    """The expression of an object of `schema`."""
    return _Writer(lark, syntax).object(schema, 0)


class _Writer:
    def __init__(self, lark: Lark, syntax: ToolSyntax) -> None:
        self._lark = lark
        self._quote = lark.mark(syntax.quote)
        self._string = f"{self._quote} {lark.until(syntax.quote)}"
        self._any = ""

    def object(self, schema: Schema, depth: int) -> str:
        required = schema.get("required", [])
        pairs = [
            (self._pair(name, each, depth), name in required)
            for name, each in schema.get("properties", {}).items()
        ]
        return self._lark.rule("object", f'"{{" {self._in_order(pairs)} "}}"')

    def _in_order(self, pairs: list[tuple[str, bool]]) -> str:
        """These pairs with commas between; each that is not required may be absent."""
        if not pairs:
            return '""'
        options = [
            " ".join([pair, *(_more(each, needed) for each, needed in pairs[place + 1 :])])
            for place, (pair, _) in enumerate(pairs)
            if not any(needed for _, needed in pairs[:place])
        ]
        if not any(needed for _, needed in pairs):
            options.append('""')
        return one_of(options)

    def _pair(self, name: str, schema: Any, depth: int) -> str:
        return self._lark.rule("pair", f"{literal(f'{name}:')} {self._value(schema, depth + 1)}")

    def _value(self, schema: Any, depth: int) -> str:
        match schema if depth <= _DEEPEST else None:
            case {"enum": [*values]} if values:
                value = one_of(self._constant(each) for each in values)
            case {"type": "string"}:
                value = self._string
            case {"type": "object", "properties": dict()}:
                value = self.object(schema, depth)
            case {"type": "array", "items": items}:
                value = self._array(self._value(items, depth + 1))
            case {"type": str(kind)} if kind in _PLAIN:
                value = _PLAIN[kind]
            case _:
                value = self._anything()
        return value

    def _array(self, item: str) -> str:
        return self._lark.rule("array", f'"[" ({item} ("," {item})*)? "]"')

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            return f"{self._quote} {literal(value)} {self._quote}"
        return literal({True: "true", False: "false", None: "null"}.get(value, str(value)))

    def _anything(self) -> str:
        """A value of any kind; the rule stands once in a grammar."""
        if not self._any:
            self._any = self._lark.recursive("any", self._any_value)
        return self._any

    def _any_value(self, itself: str) -> str:
        pair = f"/[^:{{}}\\[\\],]+:/ {itself}"
        kinds = (_NUMBER, _PLAIN["boolean"], _PLAIN["null"], self._string)
        nested = (f'"{{" ({pair} ("," {pair})*)? "}}"', f'"[" ({itself} ("," {itself})*)? "]"')
        return one_of([*kinds, *nested])


def _more(pair: str, is_required: bool) -> str:
    return f'"," {pair}' if is_required else f'("," {pair})?'
