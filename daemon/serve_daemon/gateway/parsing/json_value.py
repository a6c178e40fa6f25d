"""The values of a JSON text that comes piece by piece, as they are written."""

import json
import re

from serve_daemon.gateway.parsing.incoming import Incoming, Malformed, Say, Waiting

IN_STRING = re.compile(r'["\\]')
OUTSIDE = re.compile(r'["{}\[\]]')
SCALAR_END = re.compile(r"[\s,}\]]")


def value(incoming: Incoming, say: Say) -> Waiting[None]:
    """Say the text of the value that comes next, as it comes; it may end before it is whole."""
    first = yield from incoming.peek()
    if first and first in '{["':
        yield from _nested(incoming, say)
    else:
        yield from _scalar(incoming, say)


def _nested(incoming: Incoming, say: Say) -> Waiting[None]:
    span = _Span()
    while True:
        end = span.advance(incoming.text, incoming.at)
        if end > incoming.at:
            say(incoming.text[incoming.at : end])
            incoming.at = end
        if span.is_whole or incoming.is_ended:
            return
        incoming.trim()
        yield


class _Span:
    """How far an object, an array or a string goes."""

    def __init__(self) -> None:
        self.is_whole = False
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def advance(self, text: str, place: int) -> int:
        """Where it ends in what has come, from `place` on."""
        while place < len(text) and not self.is_whole:
            if self._is_escaped:
                self._is_escaped = False
                place += 1
                continue
            found = (IN_STRING if self._in_string else OUTSIDE).search(text, place)
            if not found:
                return len(text)
            place = found.end()
            self._see(found[0])
        return place

    def _see(self, character: str) -> None:
        if character == "\\":
            self._is_escaped = True
        elif character == '"':
            self._in_string = not self._in_string
        else:
            self._depth += 1 if character in "{[" else -1
        self.is_whole = self._depth <= 0 and not self._in_string and not self._is_escaped


def _scalar(incoming: Incoming, say: Say) -> Waiting[None]:
    while True:
        found = SCALAR_END.search(incoming.text, incoming.at)
        end = found.start() if found else len(incoming.text)
        if end > incoming.at:
            say(incoming.text[incoming.at : end])
            incoming.at = end
        if found or incoming.is_ended:
            return
        yield


def string(incoming: Incoming) -> Waiting[str]:
    """The string that comes next; raises `Malformed` where none does."""
    if (yield from incoming.peek()) != '"':
        raise Malformed
    parts: list[str] = []
    yield from value(incoming, parts.append)
    try:
        return str(json.loads("".join(parts), strict=False))
    except ValueError as error:
        raise Malformed from error
