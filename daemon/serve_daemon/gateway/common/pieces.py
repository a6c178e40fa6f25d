"""What an answer is made of, as it comes: text, reasoning, calls of tools."""

from msgspec import Struct


class Text(Struct, frozen=True):
    text: str


class Reasoning(Struct, frozen=True):
    """What the model thinks before, or between, what it says."""

    text: str


class CallBegins(Struct, frozen=True):
    """A call of a tool; its arguments follow."""

    index: int  # of the calls in this answer, from 0
    call_id: str
    name: str


class CallArguments(Struct, frozen=True):
    """A part of the arguments' JSON text."""

    index: int
    text: str


class CallEnds(Struct, frozen=True):
    index: int


Piece = Text | Reasoning | CallBegins | CallArguments | CallEnds
