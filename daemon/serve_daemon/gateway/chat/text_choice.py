"""One choice in the words of the older Completions API."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from falcon.asgi import SSEvent
from msgspec import Struct

from serve_daemon.api.completions import CompletionsRequest, TextChoice, TextLogprobs
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.chat.prompt_scores import Scores
from serve_daemon.gateway.chat.text_logprobs import LogprobLists
from serve_daemon.gateway.common.pieces import Piece, Text
from serve_daemon.gateway.http.frames import PLACE, Frame, Template, obfuscated
from serve_daemon.wire.messages import Finish

Chunk = Callable[[TextChoice], Frame]  # the event that such a choice goes out in


class AskedText(Struct, frozen=True):
    """A request, and what the model makes of its prompts, if that is to be told."""

    request: CompletionsRequest
    scores: list[Scores] = []  # one for each prompt, or none


class TextWords:
    """Its text, in parts or whole; the prompt before it, where that is to be echoed."""

    def __init__(
        self,
        asked: AskedText,
        completion: Completion,
        index: int,
        chunk: Chunk,
    ) -> None:
        request = self._request = asked.request
        self._completion = completion
        self._index = index
        self._chunk = chunk
        self._is_plain = not (request.logprobs or request.include_obfuscation)
        self._template: Template | None = None
        scores = asked.scores[index // request.n] if asked.scores else None
        self._lists = LogprobLists(scores)

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
        prepared = self._completion.prepared
        if isinstance(prompt, str) or prepared is None:
            return str(prompt)
        return str(prepared.text_model.tokenizer.decode(prompt, skip_special_tokens=False))

    @property
    def _finish_reason(self) -> Literal["stop", "length"]:
        return "length" if self._completion.finish_reason is Finish.LENGTH else "stop"

    def _logprobs(self) -> TextLogprobs | None:
        """Of the tokens since the last time; None where nobody asked."""
        taken = self._completion.take_logprobs()
        return self._lists.next(taken) if self._request.logprobs else None


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Text))
