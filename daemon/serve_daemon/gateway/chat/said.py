"""What an answer says, all together."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from serve_daemon.gateway.common.pieces import CallArguments, CallBegins, Piece, Reasoning, Text


@dataclass
class Call:
    """A call of a tool."""

    call_id: str
    name: str
    arguments: str = ""  # JSON text


@dataclass
class Said:
    """The pieces of an answer, joined."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, Call] = field(default_factory=dict)  # by index, in their order


def joined(pieces: Iterable[Piece]) -> Said:
    """All that these pieces say."""
    said = Said()
    for piece in pieces:
        match piece:
            case Text(text=text):
                said.text += text
            case Reasoning(text=text):
                said.reasoning += text
            case CallBegins(index=index, call_id=call_id, name=name):
                said.calls[index] = Call(call_id, name)
            case CallArguments(index=index, text=text):
                said.calls[index].arguments += text
    return said
