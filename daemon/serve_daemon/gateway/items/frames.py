"""The events of one response as frames: numbered, and those for deltas mostly prebuilt."""

import secrets
from collections.abc import Callable
from typing import Any

from serve_daemon.gateway.http.frames import PLACE, Frame, encode, named, split_at_place

NUMBER_AT_END = b"0}\n\n"  # of an event whose sequence_number is 0, its last field
PADDED_LENGTH = 16  # characters: with obfuscation, a delta is as long as a multiple of it


class EventNumbers:
    """Makes the frames of one response, numbered from 0 without gaps."""

    def __init__(self) -> None:
        self._next = 0

    def take(self) -> int:
        number = self._next
        self._next += 1
        return number

    def frame(self, name: str, kind: Callable[..., object], /, **fields: Any) -> Frame:
        return named(name, kind(type=name, sequence_number=self.take(), **fields))


class Deltas:
    """The delta events of one part of an item."""

    def __init__(
        self, numbers: EventNumbers, kind: Callable[..., Any], *, obfuscated: bool, **where: Any
    ) -> None:
        template = kind(delta=PLACE, sequence_number=0, **where)
        before, after = split_at_place(named(template.type, template))
        self._numbers = numbers
        self._kind = kind
        self._where = where
        self._is_obfuscated = obfuscated
        self._before = before
        self._between = after.removesuffix(NUMBER_AT_END)

    def frame(self, text: str, **fields: Any) -> Frame:
        """The event for `text`; `fields`: what else it has."""
        if self._is_obfuscated:
            fields["obfuscation"] = padding(text)
        if fields:
            number = self._numbers.take()
            event = self._kind(delta=text, sequence_number=number, **self._where, **fields)
            return named(event.type, event)
        number_text = str(self._numbers.take()).encode()
        return Frame(b"%b%b%b%b}\n\n" % (self._before, encode(text), self._between, number_text))


def padding(text: str) -> str:
    """Random letters, so that an event's length tells little of the text in it."""
    missing = PADDED_LENGTH - len(text) % PADDED_LENGTH
    return secrets.token_urlsafe(missing)[:missing]
