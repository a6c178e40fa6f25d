"""POST /v1/completions."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import falcon.asgi
import msgspec
from falcon.asgi import SSEvent

from serve_daemon.api.completions import (
    TextChoice,
    TextCompletion,
    read_completions_request,
)
from serve_daemon.api.errors import ErrorBody, ErrorReply
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.chat.choice_answers import Counted, respond, source_of, usage_of
from serve_daemon.gateway.chat.prompt_scores import scores_of
from serve_daemon.gateway.chat.text_choice import AskedText, TextWords
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import Frame, data, encode


class Completions:
    """The endpoint."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_completions_request(exchange.body)
        each = [msgspec.structs.replace(wanted, prompt=prompt) for prompt in wanted.prompts]
        asked = AskedText(wanted)
        if wanted.echo and wanted.logprobs:
            asked = AskedText(wanted, await scores_of(wanted, exchange, self._models))
        source = source_of(each, wanted.n, exchange, self._models)
        await respond(response, source, CompletionsReply(asked))


class CompletionsReply:
    """What the choices of one reply have in common."""

    def __init__(self, asked: AskedText) -> None:
        self._asked = asked
        request = self._request = asked.request
        self._id = f"cmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._no_usage: dict[str, None] = {"usage": None} if request.include_usage else {}

    def choice(self, completion: Completion, index: int) -> TextWords:
        def chunk(choice: TextChoice) -> Frame:
            return data(self._object([choice], completion, **self._no_usage))

        return TextWords(self._asked, completion, index, chunk)

    def end(self, source: Counted) -> Iterator[SSEvent]:
        if self._request.include_usage:
            yield data(self._object([], source, usage=usage_of(source)))

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield data(ErrorReply(error))

    def whole(self, choices: Sequence[tuple[TextWords, Sequence[Piece]]], source: Counted) -> bytes:
        told = [choice.whole(pieces) for choice, pieces in choices]
        return encode(self._object(told, source, usage=usage_of(source)))

    def _object(self, choices: list[TextChoice], source: Counted, **usage: Any) -> TextCompletion:
        return TextCompletion(
            id=self._id,
            created=self._created,
            model=self._request.model,
            choices=choices,
            system_fingerprint=source.fingerprint,
            **usage,
        )
