"""Tokens to text, up to where a stop string ends it."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from serve_daemon.gateway.text.detokenize import Detokenizer
from serve_daemon.gateway.text.stop_strings import StopStrings


class TokenText:
    """The text of one answer; no stop string is seen in its first `min_tokens`."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        stops: Sequence[str],
        min_tokens: int,
        hidden: frozenset[int] | None = None,
    ) -> None:
        self._detokenizer = Detokenizer(tokenizer, hidden)
        self._stops = StopStrings(stops)
        self._exempt = min_tokens  # of those still to come

    @property
    def stopped_by(self) -> str | None:
        """The stop string that has ended it."""
        return self._stops.stopped_by

    def feed(self, tokens: Sequence[int]) -> str:
        """What can be passed on now."""
        if self._exempt <= 0:
            return self._stops.feed(self._detokenizer.feed(tokens))
        exempt, others = tokens[: self._exempt], tokens[self._exempt :]
        self._exempt -= len(tokens)
        text = self._detokenizer.feed(exempt)
        return text + self._stops.feed(self._detokenizer.feed(others))

    def flush(self) -> str:
        """What is still held back at the end, which may turn out to be a stop string."""
        rest = self._stops.feed(self._detokenizer.flush())
        return rest if self.stopped_by is not None else rest + self._stops.flush()
