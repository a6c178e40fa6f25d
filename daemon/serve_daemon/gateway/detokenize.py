"""Tokens to text, piece by piece, never a part of a character."""

from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


class Detokenizer:
    """The pieces that it returns, joined, are what decoding all tokens at once returns."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._tokens: list[int] = []
        self._length = 0  # of the text that was returned
        self._holds_back = False

    def feed(self, tokens: Iterable[int]) -> str:
        """The text that `tokens` complete."""
        text = ""
        for token in tokens:
            self._tokens.append(token)
            piece = self._stream.step(self._tokenizer, token)
            self._holds_back = piece is None
            if piece is not None:
                text += piece
        self._length += len(text)
        return text

    def flush(self) -> str:
        """What is still held back at the end: characters that no token came to complete."""
        if not self._holds_back:
            return ""
        whole: str = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        rest = whole[self._length :]
        self._length = len(whole)
        self._holds_back = False
        return rest
