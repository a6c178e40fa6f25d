"""POST /v1/chat/completions."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.chat_completions import ChatRequest, read_chat_request
from serve_daemon.api.chat_objects import ChatChunk, ChatChunkWithUsage, ChatCompletion, ChunkChoice
from serve_daemon.api.errors import ErrorBody, ErrorReply
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.chat.chat_choice import ChatChoice
from serve_daemon.gateway.chat.choice_answers import Counted, respond, source_of, usage_of
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import Frame, data, encode


class ChatCompletions:
    """The endpoint."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_chat_request(exchange.body)
        source = source_of([wanted], wanted.n, exchange, self._models)
        await respond(response, source, ChatReply(wanted))


class ChatReply:
    """What the choices of one reply have in common."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._kind = ChatChunkWithUsage if request.include_usage else ChatChunk

    def choice(self, completion: Completion, index: int) -> ChatChoice:
        def chunk(choice: ChunkChoice) -> Frame:
            return self._chunk([choice], completion)

        return ChatChoice(self._request, completion, index, chunk)

    def end(self, source: Counted) -> Iterator[SSEvent]:
        if self._request.include_usage:
            yield self._chunk([], source, usage=usage_of(source))

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield data(ErrorReply(error))

    def whole(
        self, choices: Sequence[tuple[ChatChoice, Sequence[Piece]]], source: Counted
    ) -> bytes:
        told = [choice.whole(pieces) for choice, pieces in choices]
        usage = usage_of(source)
        return encode(ChatCompletion(choices=told, usage=usage, **self._head(source)))

    def _chunk(self, choices: list[ChunkChoice], source: Counted, **usage: Any) -> Frame:
        return data(self._kind(choices=choices, **usage, **self._head(source)))

    def _head(self, source: Counted) -> dict[str, Any]:
        return {
            "id": self._id,
            "created": self._created,
            "model": self._request.model,
            "system_fingerprint": source.fingerprint,
        }
