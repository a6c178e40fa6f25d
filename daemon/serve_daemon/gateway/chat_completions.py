"""POST /v1/chat/completions."""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.chat_completions import (
    ChatChunk,
    ChatChunkWithUsage,
    ChatCompletion,
    ChatRequest,
    ChatUsage,
    Choice,
    ChunkChoice,
    CompletionTokensDetails,
    Delta,
    FinishReason,
    PromptTokensDetails,
    ReplyMessage,
    read_chat_request,
)
from serve_daemon.api.errors import ErrorBody, ErrorReply
from serve_daemon.api.logprobs import ChoiceLogprobs
from serve_daemon.gateway.completion import Completion, Models
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.frames import PLACE, Frame, data, encode, split_at_place
from serve_daemon.gateway.pieces import Piece, Text
from serve_daemon.gateway.reply import require_json, send
from serve_daemon.wire.messages import Finish


class ChatCompletions:
    """The endpoint."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_chat_request(exchange.body)
        completion = Completion(wanted, exchange, self._models)
        await send(response, completion, ChatAnswer(wanted, completion))


class ChatAnswer:
    """A completion in the words of Chat Completions."""

    def __init__(self, request: ChatRequest, completion: Completion) -> None:
        self._request = request
        self._completion = completion
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._kind = ChatChunkWithUsage if request.include_usage else ChatChunk
        self._before = self._after = b""  # the text in a chunk of the stream

    def begin(self) -> Iterator[SSEvent]:
        yield self._chunk([ChunkChoice(Delta(role="assistant", content=""))])
        text = self._chunk([ChunkChoice(Delta(content=PLACE))])
        self._before, self._after = split_at_place(text)

    def tell(self, pieces: Sequence[Piece]) -> Iterator[SSEvent]:
        for piece in pieces:
            if isinstance(piece, Text):
                yield self._delta(piece.text)

    def _delta(self, text: str) -> SSEvent:
        if self._request.logprobs:
            return self._chunk([ChunkChoice(Delta(content=text), logprobs=self._logprobs())])
        return Frame(self._before + encode(text) + self._after)

    def end(self) -> Iterator[SSEvent]:
        yield self._chunk([ChunkChoice(Delta(), self._finish_reason, logprobs=self._logprobs())])
        if self._request.include_usage:
            yield self._chunk([], usage=self._usage)

    def fail(self, error: ErrorBody) -> Iterator[SSEvent]:
        yield data(ErrorReply(error))

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        text = "".join(piece.text for piece in pieces if isinstance(piece, Text))
        choices = [Choice(ReplyMessage(text), self._finish_reason, logprobs=self._logprobs())]
        return encode(ChatCompletion(choices=choices, usage=self._usage, **self._head))

    def _logprobs(self) -> ChoiceLogprobs | None:
        """Of the tokens since the last time; None where nobody asked."""
        taken = self._completion.take_logprobs()
        return ChoiceLogprobs(taken) if self._request.logprobs else None

    def _chunk(self, choices: list[ChunkChoice], **usage: Any) -> Frame:
        return data(self._kind(choices=choices, **usage, **self._head))

    @property
    def _head(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "created": self._created,
            "model": self._request.model,
            "system_fingerprint": self._completion.fingerprint,
        }

    @property
    def _finish_reason(self) -> FinishReason:
        return "length" if self._completion.finish_reason is Finish.LENGTH else "stop"

    @property
    def _usage(self) -> ChatUsage:
        completion = self._completion
        return ChatUsage(
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            total_tokens=completion.prompt_tokens + completion.completion_tokens,
            prompt_tokens_details=PromptTokensDetails(completion.cached_tokens),
            completion_tokens_details=CompletionTokensDetails(),
        )
