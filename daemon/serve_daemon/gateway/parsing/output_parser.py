"""From the text that a model writes to the pieces of an answer."""

from collections.abc import Callable, Sequence
from typing import Protocol

from serve_daemon.api.tools import FunctionTool
from serve_daemon.gateway.common.pieces import Piece, Text
from serve_daemon.gateway.parsing.answer import Answer
from serve_daemon.gateway.parsing.calls import Calls
from serve_daemon.gateway.parsing.harmony import HarmonyAnswer
from serve_daemon.gateway.parsing.incoming import Incoming, Waiting
from serve_daemon.gateway.parsing.tool_families import HARMONY
from serve_daemon.gateway.parsing.tool_writing import ReasoningSyntax, ToolSyntax


class OutputParser(Protocol):
    """One answer; the pieces are the same however its text is cut."""

    @property
    def is_reasoning(self) -> bool:
        """Whether what comes now is reasoning."""

    def feed(self, text: str) -> list[Piece]:
        """What `text` completes."""

    def flush(self) -> list[Piece]:
        """What is still held back at the end; calls that are open are ended."""


class PlainText:
    """Of models that neither think nor call."""

    is_reasoning = False

    def feed(self, text: str) -> list[Piece]:
        return [Text(text)] if text else []

    def flush(self) -> list[Piece]:
        return []


class Reader(Protocol):
    """What makes pieces of the text that comes in."""

    is_reasoning: bool
    calls: Calls

    def read(self) -> Waiting[None]:
        """Tell the pieces of all that comes; each `yield` waits for more."""


class AnswerParser:
    """Of models that think or call; nothing that they write is lost."""

    def __init__(self, reader: Callable[[Incoming, Callable[[Piece], None]], Reader]) -> None:
        self._pieces: list[Piece] = []
        self._incoming = Incoming()
        self._reader = reader(self._incoming, self._tell)
        self._reading = self._reader.read()
        next(self._reading, None)  # to where it waits for the first text

    @property
    def is_reasoning(self) -> bool:
        """Whether what comes now is reasoning."""
        return self._reader.is_reasoning

    def feed(self, text: str) -> list[Piece]:
        """What `text` completes."""
        self._incoming.add(text)
        return self._read()

    def flush(self) -> list[Piece]:
        """What is still held back at the end; calls that are open are ended."""
        self._incoming.is_ended = True
        pieces = self._read()
        self._reader.calls.end(is_whole=False)
        return pieces + self._taken()

    def _tell(self, piece: Piece) -> None:
        self._pieces.append(piece)

    def _read(self) -> list[Piece]:
        next(self._reading, None)
        return self._taken()

    def _taken(self) -> list[Piece]:
        taken, self._pieces = self._pieces, []
        return taken


def parser_of(
    syntax: ToolSyntax, reasoning: ReasoningSyntax | None, tools: Sequence[FunctionTool]
) -> Callable[[], OutputParser]:
    """What makes a parser for one answer; `tools` are those that the model may call."""
    if syntax.family == HARMONY.family:
        return lambda: AnswerParser(lambda text, tell: HarmonyAnswer(text, tell, tools))
    if not tools and reasoning is None and not syntax.text_begin:
        return PlainText
    return lambda: AnswerParser(lambda text, tell: Answer(text, tell, syntax, reasoning, tools))


def kept_tokens(
    syntax: ToolSyntax, reasoning: ReasoningSyntax | None, tools: Sequence[FunctionTool]
) -> frozenset[str]:
    """The special tokens that such a parser must get to see."""
    is_needed = bool(tools) or syntax.family == HARMONY.family
    marks = syntax.marks if is_needed else (syntax.text_begin, syntax.text_end)
    kept = {token for token in syntax.special_tokens if any(token in mark for mark in marks)}
    return frozenset(kept | set(reasoning.special_tokens if reasoning else ()))
