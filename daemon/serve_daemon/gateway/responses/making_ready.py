"""A response without an answer: its prompt is checked, and the next request goes on from it."""

import time
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from falcon.asgi import SSEvent

from serve_daemon.api.response_events import ResponseEvent
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode, named
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.kept.keeping import Keeping, Wish

COMPLETED: Final = "response.completed"


async def made_ready(
    wish: Wish, exchange: Exchange, models: Models, keeping: Keeping
) -> AsyncIterator[SSEvent]:
    """The events of such a response. Raises `ApiError`."""
    completion = Completion(wish.request, exchange, models)
    await completion.begin()
    answer = ResponseAnswer(wish.request, completion)
    events = list(answer.begin())
    response = msgspec.structs.replace(
        answer.response, status="completed", completed_at=int(time.time())
    )
    completion.end()
    if wish.request.store:
        record = keeping.record(wish.request, exchange.body, answer)
        await keeping.put(wish, record, encode(response))
    last = ResponseEvent(type=COMPLETED, response=response, sequence_number=len(events))
    for event in (*events, named(COMPLETED, last)):
        yield event
