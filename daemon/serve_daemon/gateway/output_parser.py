"""From the text that a model writes to the pieces of an answer."""

from typing import Protocol

from serve_daemon.gateway.pieces import Piece, Text


class OutputParser(Protocol):
    """One answer; the pieces are the same however its text is cut."""

    is_reasoning: bool  # whether what comes now is reasoning

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
