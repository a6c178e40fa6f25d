"""Which tokens' log-probabilities belong to which piece of an answer."""

from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.gateway.common.pieces import CallArguments, Piece, Reasoning, Text


class TokenQueue:
    """Tokens in the order in which they came, until a piece of the answer claims them.

    Pieces claim by their bytes: marks between them, which no piece shows, belong to none. A token
    of which a piece shows the beginning alone is that piece's.
    """

    def __init__(self) -> None:
        self._tokens: list[TokenLogprob] = []
        self._claimed = b""  # the end of the last token, whose beginning a piece has shown

    def add(self, tokens: list[TokenLogprob]) -> None:
        self._tokens += tokens

    def all(self) -> list[TokenLogprob]:
        """Every token, of an answer that is nothing but text."""
        tokens, self._tokens = self._tokens, []
        return tokens

    def claim(self, piece: Piece) -> list[TokenLogprob]:
        """The tokens that wrote the piece."""
        shown = piece.text if isinstance(piece, Text | Reasoning | CallArguments) else ""
        text = self._unclaimed(shown.encode())
        mine: list[TokenLogprob] = []
        while text and self._tokens:
            token = self._tokens.pop(0)
            written = bytes(token.bytes)
            if written and text.startswith(written):
                text = text[len(written) :]
                mine.append(token)
            elif written.startswith(text):
                self._claimed = written[len(text) :]
                text = b""
                mine.append(token)
        return mine

    def _unclaimed(self, text: bytes) -> bytes:
        """What of `text` no token that was claimed has written."""
        claimed, self._claimed = self._claimed, b""
        if text.startswith(claimed):
            return text[len(claimed) :]
        if claimed.startswith(text):
            self._claimed = claimed[len(text) :]
            return b""
        return text
