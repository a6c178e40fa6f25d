"""The stream of a response that is kept, for a client that comes to it later, or again."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from falcon.asgi import SSEvent

from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import DONE, WAITING, Frame
from serve_daemon.gateway.kept.closing import error_event
from serve_daemon.gateway.kept.errors import store_unavailable
from serve_daemon.gateway.kept.run import Run
from serve_daemon.gateway.kept.runs import Runs
from serve_daemon.gateway.store.errors import StoreUnavailable


class Place:
    """Where a client is in a response: `next` is the number of the event that it gets next."""

    def __init__(self, number: int, response_id: str, first: int = 0) -> None:
        self.number = number
        self.response_id = response_id
        self.next = first

    def told(self, events: Sequence[bytes]) -> Iterator[SSEvent]:
        """These as they are sent; where there are none, a sign of life."""
        self.next += len(events)
        return map(Frame, events) if events else iter((WAITING,))


async def along(runs: Runs, place: Place, exchange: Exchange) -> AsyncIterator[SSEvent]:
    """Events from a place on, whoever makes the response, to the last."""
    try:
        async for events in runs.follow(place.number, place.response_id, place.next):
            for event in place.told(events):
                yield event
            exchange.raise_if_cut()
    except (ApiError, StoreUnavailable, asyncio.CancelledError) as error:
        yield _last_word(exchange, error, place)
    yield DONE


async def in_foreground(run: Run, exchange: Exchange) -> AsyncIterator[SSEvent]:
    """The events of a response for the client that it is made for, and without which it ends.

    Where the gateway has no more time, the next one finishes it.
    """
    place = Place(run.number, run.id)
    try:
        async for events in run.readers.follow(0):
            for event in place.told(events):
                yield event
            exchange.raise_if_cut()
    except (ApiError, StoreUnavailable, asyncio.CancelledError) as error:
        if exchange.cut_by is not None:
            run.leave()
        yield _last_word(exchange, error, place)
    finally:
        run.cancel()
    if run.error is not None:
        _note(exchange, run.error)
    yield DONE


def _last_word(exchange: Exchange, error: BaseException, place: Place) -> SSEvent:
    """What a stream ends with that `error` ends; raises it where it means a client that is gone."""
    if isinstance(error, StoreUnavailable):
        error = store_unavailable(error)
    problem = error if isinstance(error, ApiError) else exchange.cut_by
    if problem is None:
        raise error
    _note(exchange, problem)
    return Frame(error_event(problem.body, place.next))


def _note(exchange: Exchange, problem: ApiError) -> None:
    exchange.status, exchange.outcome = problem.status, "failed in its stream"
    exchange.error = problem.body.code
