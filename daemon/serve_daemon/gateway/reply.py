"""How a completion goes out, alike for all endpoints: streamed, or whole."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol

import falcon
import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.completion import Completion
from serve_daemon.gateway.errors import as_api_error
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.frames import DONE, WAITING
from serve_daemon.gateway.pieces import Piece


class Answer(Protocol):
    """An endpoint's words for a completion."""

    def begin(self) -> Iterable[SSEvent]:
        """The events before the first piece."""

    def tell(self, pieces: Sequence[Piece]) -> Iterable[SSEvent]:
        """The events for these pieces, of which there is one at least."""

    def end(self) -> Iterable[SSEvent]:
        """The events after the last piece."""

    def fail(self, error: ErrorBody) -> Iterable[SSEvent]:
        """The events that end a stream which can't go on."""

    def whole(self, pieces: Sequence[Piece]) -> bytes:
        """The reply without streaming."""


async def send(response: falcon.asgi.Response, completion: Completion, answer: Answer) -> None:
    """Let `response` carry the completion, as the request asks for it. Raises `ApiError`."""
    if completion.is_streamed:
        await completion.begin()
        response.sse = stream(completion, answer, completion.exchange)
    else:
        response.data = await whole(completion, answer)


async def stream(
    completion: Completion, answer: Answer, exchange: Exchange
) -> AsyncIterator[SSEvent]:
    """The events of a reply; an error after its begin is one of them, since the status is out."""
    try:
        has_begun = False
        async for pieces in completion.pieces():
            if completion.is_prepared and not has_begun:
                has_begun = True
                for event in answer.begin():
                    yield event
            for event in answer.tell(pieces) if pieces else (WAITING,):
                yield event
            exchange.raise_if_cut()
        for event in answer.end():
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


async def whole(completion: Completion, answer: Answer) -> bytes:
    """The reply in one piece."""
    return answer.whole([piece async for pieces in completion.pieces() for piece in pieces])


def require_json(request: falcon.asgi.Request) -> None:
    """Raise for a body that says that it is something else."""
    kind = (request.content_type or falcon.MEDIA_JSON).partition(";")[0].strip().lower()
    if kind != falcon.MEDIA_JSON:
        message = f"Unsupported content type '{kind}': send 'Content-Type: application/json'."
        raise falcon.HTTPUnsupportedMediaType(description=message)
