"""How a completion goes out, alike for all endpoints: streamed, or whole."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import chain
from typing import Protocol, TypeVar

import falcon
import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.common.errors import as_api_error
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import DONE, WAITING

Part = TypeVar("Part")  # a piece, or a piece of one of several answers
Told_contra = TypeVar("Told_contra", contravariant=True)
Said_co = TypeVar("Said_co", covariant=True)


class Source(Protocol[Said_co]):
    """Where an answer comes from: a `Completion`, or several."""

    exchange: Exchange

    @property
    def is_streamed(self) -> bool: ...

    @property
    def is_prepared(self) -> bool:
        """Whether it is known what the model is asked."""

    async def begin(self) -> None:
        """Return when the client may be told that there will be an answer. Raises `ApiError`."""

    def pieces(self) -> AsyncIterator[Sequence[Said_co]]:
        """The answer; nothing every second in which nothing came. Raises `ApiError`."""


class AnswerOf(Protocol[Told_contra]):
    """An endpoint's words for what comes of such parts."""

    def begin(self) -> Iterable[SSEvent]:
        """The events before the first piece."""

    def tell(self, pieces: Sequence[Told_contra]) -> Iterable[SSEvent]:
        """The events for these pieces, of which there is one at least."""

    def end(self) -> Iterable[SSEvent]:
        """The events after the last piece."""

    def fail(self, error: ErrorBody) -> Iterable[SSEvent]:
        """The events that end a stream which can't go on."""

    def whole(self, pieces: Sequence[Told_contra]) -> bytes:
        """The reply without streaming."""


Answer = AnswerOf[Piece]


async def send(
    response: falcon.asgi.Response, source: Source[Part], answer: AnswerOf[Part]
) -> None:
    """Let `response` carry the answer, as the request asks for it. Raises `ApiError`."""
    if source.is_streamed:
        await source.begin()
        response.sse = stream(source, answer, source.exchange)
    else:
        response.data = await whole(source, answer)


async def stream(
    source: Source[Part], answer: AnswerOf[Part], exchange: Exchange
) -> AsyncIterator[SSEvent]:
    """The events of a reply; an error after its begin is one of them, since the status is out."""
    try:
        has_begun = False
        async for pieces in source.pieces():
            if source.is_prepared and not has_begun:
                has_begun = True
                for event in answer.begin():
                    yield event
            for event in answer.tell(pieces) if pieces else (WAITING,):
                yield event
            exchange.raise_if_cut()
        unsaid = () if has_begun else answer.begin()  # of an answer without a word
        for event in chain(unsaid, answer.end()):
            yield event
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is told to the client
        for event in answer.fail(_last_words(exchange, error)):
            yield event
    yield DONE


def _last_words(exchange: Exchange, error: BaseException) -> ErrorBody:
    """What a stream ends with that `error` ends; raises it where it means a client that is gone."""
    if isinstance(error, Exception):
        problem = as_api_error(error, exchange.request_id)
    elif exchange.cut_by is not None:
        problem = exchange.cut_by
    else:
        raise error
    exchange.status, exchange.outcome = problem.status, "failed in its stream"
    exchange.error = problem.body.code
    return problem.body


async def whole(source: Source[Part], answer: AnswerOf[Part]) -> bytes:
    """The reply in one piece."""
    return answer.whole([piece async for pieces in source.pieces() for piece in pieces])


def require_json(request: falcon.asgi.Request) -> None:
    """Raise for a body that says that it is something else."""
    kind = (request.content_type or falcon.MEDIA_JSON).partition(";")[0].strip().lower()
    if kind != falcon.MEDIA_JSON:
        message = f"Unsupported content type '{kind}': send 'Content-Type: application/json'."
        raise falcon.HTTPUnsupportedMediaType(description=message)
