"""One choice in the words of the older Completions API."""

import codecs
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from falcon.asgi import SSEvent

from serve_daemon.api.completions import CompletionsRequest, TextChoice, TextLogprobs
from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.gateway.completion import Completion
from serve_daemon.gateway.frames import PLACE, Frame, Template, obfuscated
from serve_daemon.gateway.pieces import Piece, Text
from serve_daemon.wire.messages import Finish

Chunk = Callable[[TextChoice], Frame]  # the event that such a choice goes out in


class TextWords:
    """Its text, in parts or whole; the prompt before it, where that is to be echoed."""

    def __init__(
        self, request: CompletionsRequest, completion: Completion, index: int, chunk: Chunk
    ) -> None:
        self._request = request
        self._completion = completion
        self._index = index
        self._chunk = chunk
        self._is_plain = not (request.logprobs or request.include_obfuscation)
        self._template: Template | None = None
        self._offsets = Offsets()

    def begin(self) -> Iterator[SSEvent]:
        if self._request.echo:
            yield self._event(self._prompt)

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        if text := _text(pieces):
            yield self._event(text)

    def end(self) -> Iterator[SSEvent]:
        yield self._chunk(TextChoice("", self._index, self._finish_reason, self._logprobs()))

    def whole(self, pieces: Sequence[Piece]) -> TextChoice:
        text = _text(pieces)
        if self._request.echo:
            text = self._prompt + text
        return TextChoice(text, self._index, self._finish_reason, self._logprobs())

    def _event(self, text: str) -> Frame:
        if self._is_plain:
            if self._template is None:
                self._template = Template(self._chunk(TextChoice(PLACE, self._index)))
            return self._template.fill(text)
        frame = self._chunk(TextChoice(text, self._index, logprobs=self._logprobs()))
        return obfuscated(frame) if self._request.include_obfuscation else frame

    @property
    def _prompt(self) -> str:
        prompt = self._request.prompts[self._index // self._request.n]
        return prompt if isinstance(prompt, str) else self._completion.text_of(prompt)

    @property
    def _finish_reason(self) -> Literal["stop", "length"]:
        return "length" if self._completion.finish_reason is Finish.LENGTH else "stop"

    def _logprobs(self) -> TextLogprobs | None:
        """Of the tokens since the last time; None where nobody asked."""
        taken = self._completion.take_logprobs()
        if not self._request.logprobs:
            return None
        return TextLogprobs(
            text_offset=[self._offsets.next(bytes(entry.bytes)) for entry in taken],
            token_logprobs=[entry.logprob for entry in taken],
            tokens=[entry.token for entry in taken],
            top_logprobs=[_likeliest(entry) for entry in taken],
        )


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))


class Offsets:
    """Where tokens begin in the text that they make, in characters; a character may be several."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._characters = 0

    def next(self, token: bytes) -> int:
        """Of this token, which follows those of the earlier calls."""
        offset = self._characters
        self._characters += len(self._decoder.decode(token))
        return offset


def _likeliest(entry: TokenLogprob) -> dict[str, float]:
    """By text, of which the likeliest counts; the token itself is always among them."""
    found: dict[str, float] = {}
    for each in (*entry.top_logprobs, entry):
        found.setdefault(each.token, each.logprob)
    return found
