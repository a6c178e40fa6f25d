"""Calls of tools in the text of an answer, in each form that families write them in."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.identifiers import new_id
from serve_daemon.gateway.common.pieces import CallArguments, CallBegins, CallEnds, Piece
from serve_daemon.gateway.parsing import json_value
from serve_daemon.gateway.parsing.incoming import Incoming, Malformed, Marks, Say, Waiting
from serve_daemon.gateway.parsing.lax_json import lax_value
from serve_daemon.gateway.parsing.tagged import tagged_arguments
from serve_daemon.gateway.parsing.tool_writing import Form, ToolSyntax

NAME_KEYS = ("name", "tool_name")
ARGUMENTS_KEYS = ("arguments", "parameters")
OTHER_KEYS = ("id", "type", "tool_call_id", "index")


class Calls:
    """The calls of one answer, told as they come."""

    def __init__(
        self, incoming: Incoming, tools: Sequence[FunctionTool], tell: Callable[[Piece], None]
    ) -> None:
        self._incoming = incoming
        self._schemas = {tool.name: tool.parameters or {} for tool in tools}
        self._tell = tell
        self.count = 0  # that were begun
        self.is_open = False
        self._has_arguments = False

    def knows(self, name: str) -> bool:
        return name in self._schemas

    def schema(self, name: str) -> dict[str, Any]:
        """The JSON schema of a tool's arguments; {} where there is none."""
        return self._schemas.get(name, {})

    def begin(self, name: str) -> None:
        self._incoming.unpin()  # what was told can't be taken back
        self.count += 1
        self.is_open, self._has_arguments = True, False
        self._tell(CallBegins(self.count - 1, new_id("call"), name))

    def say(self, arguments: str) -> None:
        self._has_arguments = True
        self._tell(CallArguments(self.count - 1, arguments))

    def end(self, *, is_whole: bool = True) -> None:
        """End the call that is open, if one is; one that is whole has an object at least."""
        if self.is_open:
            if is_whole and not self._has_arguments:
                self.say("{}")
            self.is_open = False
            self._tell(CallEnds(self.count - 1))


def read_calls(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """All calls that stand together.

    Raises `Malformed` where the first one is none, before anything of it was told.
    """
    yield from incoming.accept(syntax.section_begin)
    yield from _read_call(incoming, syntax, calls)
    while (yield from _another(incoming, syntax, calls)):
        pass
    yield from incoming.accept(syntax.section_end)


def _another(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[bool]:
    """Whether one more call follows, which is read then."""
    place = incoming.pin()
    try:
        yield from incoming.accept(syntax.between)
        yield from _read_call(incoming, syntax, calls)
    except Malformed:
        incoming.back(place)
        return False
    return True


def _read_call(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    for begin in (*syntax.other_begins, syntax.begin):
        if (yield from incoming.accept(begin)):
            break
    else:
        raise Malformed
    yield from incoming.skip_space()
    before = calls.count
    try:
        yield from FORMS[syntax.form](incoming, syntax, calls)
        calls.end()
    except Malformed:
        if calls.count == before:
            raise  # else what was told stays so, and the rest is text
        calls.end(is_whole=False)
    yield from incoming.accept(syntax.end)


# ---------------------------------------------------------------- forms


def _list(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """Objects in an array, or, as some models write it, one without the array."""
    if not (yield from incoming.accept("[")):
        yield from _object(incoming, syntax, calls)
        return
    yield from _object(incoming, syntax, calls)
    while (yield from incoming.accept(",")):
        calls.end()
        yield from _object(incoming, syntax, calls)
    yield from incoming.accept("]")


def _object(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """{"name": "NAME", "arguments": {...}}, in any order, perhaps with an id or the like."""
    yield from incoming.expect("{")
    held: list[str] = []
    while not (yield from incoming.accept("}")):
        yield from incoming.accept(",")
        yield from incoming.skip_space()
        key = yield from json_value.string(incoming)
        yield from incoming.expect(":")
        yield from incoming.skip_space()
        if key in (syntax.name_key, *NAME_KEYS) and not calls.is_open:
            _begin(calls, (yield from json_value.string(incoming)), syntax)
            for text in held:
                calls.say(text)
        elif key in (syntax.arguments_key, *ARGUMENTS_KEYS):
            yield from _arguments(incoming, calls.say if calls.is_open else held.append)
        elif key == "function" and not calls.is_open:  # as the endpoints write calls
            yield from _object(incoming, syntax, calls)
        elif calls.is_open or key in OTHER_KEYS:
            yield from json_value.value(incoming, _ignore)
        else:
            raise Malformed
    if not calls.is_open:
        raise Malformed


def _begin(calls: Calls, name: str, syntax: ToolSyntax) -> None:
    # Without a mark, any JSON looks like a call: one that is none names no tool.
    if not name or (not syntax.begin and not calls.knows(name)):
        raise Malformed
    calls.begin(name)


def _named(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """NAME, a mark, and the JSON of the arguments."""
    yield from _named_head(incoming, syntax, calls)
    if (yield from incoming.peek()) == "{":
        yield from json_value.value(incoming, calls.say)
    elif syntax.end:
        yield from incoming.until(Marks([syntax.end.split()[0]]), calls.say)


def _lax(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """NAME and arguments that are nearly JSON."""
    yield from _named_head(incoming, syntax, calls)
    yield from lax_value(incoming, syntax.quote, calls.say)


def _tags(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[None]:
    """NAME and each argument in tags."""
    name = yield from _named_head(incoming, syntax, calls)
    if syntax.tag:
        yield from tagged_arguments(incoming, syntax.tag, calls.schema(name), calls.say)


def _named_head(incoming: Incoming, syntax: ToolSyntax, calls: Calls) -> Waiting[str]:
    name = yield from incoming.name()
    if not name:
        raise Malformed
    if (yield from incoming.accept(":")):  # a number of the call, as Kimi writes it
        yield from incoming.name()
    if syntax.id_begin and (yield from incoming.accept(syntax.id_begin)):
        yield from incoming.name()
    yield from incoming.expect(syntax.name_end)
    calls.begin(name)
    yield from incoming.skip_space()
    return name


def _arguments(incoming: Incoming, say: Say) -> Waiting[None]:
    """The JSON of the arguments; where a model wrote it as a string, what is in the string."""
    if (yield from incoming.peek()) == "{":
        yield from json_value.value(incoming, say)
        return
    parts: list[str] = []
    yield from json_value.value(incoming, parts.append)
    say(_unwrapped("".join(parts)))


def _unwrapped(text: str) -> str:
    try:
        inner = json.loads(text, strict=False)
        if isinstance(inner, str):
            json.loads(inner)
    except ValueError:
        return text
    if inner is None:
        return "{}"
    return inner if isinstance(inner, str) else text


def _ignore(_text: str) -> None:
    pass


FORMS: dict[Form, Callable[[Incoming, ToolSyntax, Calls], Waiting[None]]] = {
    "object": _object,
    "list": _list,
    "named": _named,
    "lax": _lax,
    "tags": _tags,
}
