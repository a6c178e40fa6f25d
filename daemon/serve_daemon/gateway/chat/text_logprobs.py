"""Log-probabilities in the lists of the older Completions API."""

import codecs

from serve_daemon.api.completions import TextLogprobs
from serve_daemon.api.logprobs import TokenLogprob, TopLogprob
from serve_daemon.gateway.chat.prompt_scores import Scores


class LogprobLists:
    """Of the tokens of one choice, as they come; those of its prompt before them, if it has any."""

    def __init__(self, scores: Scores | None) -> None:
        self._scores = scores
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._characters = 0

    def next(self, entries: list[TokenLogprob]) -> TextLogprobs:
        """For these tokens, which follow those of the earlier calls."""
        scores, self._scores = self._scores, None
        if scores is None:
            return self._lists(entries)
        offset = self._offset(scores.first)
        lists = self._lists([*scores.others, *entries])
        return TextLogprobs(
            text_offset=[offset, *lists.text_offset],
            token_logprobs=[None, *lists.token_logprobs],
            tokens=[scores.first.decode(errors="replace"), *lists.tokens],
            top_logprobs=[None, *lists.top_logprobs],
        )

    def _lists(self, entries: list[TokenLogprob]) -> TextLogprobs:
        return TextLogprobs(
            text_offset=[self._offset(bytes(entry.bytes)) for entry in entries],
            token_logprobs=[entry.logprob for entry in entries],
            tokens=[entry.token for entry in entries],
            top_logprobs=[_likeliest(entry) for entry in entries],
        )

    def _offset(self, token: bytes) -> int:
        """Where the next token begins, in characters, each of which may be several tokens."""
        offset = self._characters
        self._characters += len(self._decoder.decode(token))
        return offset


def _likeliest(entry: TokenLogprob) -> dict[str, float]:
    """By text, of which the likeliest counts; the token itself is always among them."""
    found: dict[str, float] = {}
    candidates: list[TopLogprob | TokenLogprob] = [*entry.top_logprobs, entry]
    for each in candidates:
        found.setdefault(each.token, each.logprob)
    return found
