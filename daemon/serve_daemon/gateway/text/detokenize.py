"""Tokens to text, piece by piece, never a part of a character.

Not tokenizers' own DecodeStream: that one fails on stray bytes of a vocabulary with byte fallback,
and can't be flushed.
"""

from collections.abc import Sequence

from tokenizers import Tokenizer

LONGEST_WINDOW = 6  # tokens; to shorten it costs as much as to decode it
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"  # what half a character is decoded to


class Detokenizer:
    """The pieces that it returns, joined, are what decoding all tokens at once returns.

    Special tokens have no text, unless it is said which are `hidden`: then all others have theirs.
    """

    def __init__(self, tokenizer: Tokenizer, hidden: frozenset[int] | None = None) -> None:
        self._tokenizer = tokenizer
        self._hidden = hidden
        # The tokens of the last piece at least, since spaces may depend on what is before, and
        # those after it.
        self._window: list[int] = []
        self._old_tokens = 0  # of the window, whose text was returned
        self._old_characters = 0

    def feed(self, tokens: Sequence[int]) -> str:
        """The text that `tokens` complete."""
        if self._hidden is not None:
            tokens = [token for token in tokens if token not in self._hidden]
        if not tokens:
            return ""
        self._window += tokens
        text = self._decode()
        return "" if text.endswith(INCOMPLETE) else self._advance(text)

    def flush(self) -> str:
        """What is still held back at the end: characters that no token came to complete."""
        return self._advance(self._decode())

    def _decode(self) -> str:
        skips = self._hidden is None
        text: str = self._tokenizer.decode(self._window, skip_special_tokens=skips)
        return text

    def _advance(self, text: str) -> str:
        piece = text[self._old_characters :]
        if piece:  # tokens without a text, such as special ones, are no context for the next
            before = self._old_tokens
            self._old_tokens, self._old_characters = len(self._window), len(text)
            if self._old_tokens > LONGEST_WINDOW:
                self._shorten(before)
        return piece

    def _shorten(self, num_tokens: int) -> None:
        """Forget the oldest tokens; the last piece's are context enough."""
        del self._window[:num_tokens]
        self._old_tokens = len(self._window)
        self._old_characters = len(self._decode())
