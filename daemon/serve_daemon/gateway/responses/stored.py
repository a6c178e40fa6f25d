"""GET and DELETE /v1/responses/{id}, its input items, and its end before its time."""

import falcon.asgi
import msgspec

from serve_daemon.api.response_output import Item
from serve_daemon.api.stored_responses import (
    Deleted,
    page,
    read_item_query,
    read_response_query,
)
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.kept.errors import (
    not_found,
    not_in_background,
    not_streamed,
    store_unavailable,
)
from serve_daemon.gateway.kept.history import KeptHistory
from serve_daemon.gateway.kept.reading_along import Place, along
from serve_daemon.gateway.kept.runs import Runs
from serve_daemon.gateway.responses.kept_responses import KeptResponses
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.records import Record
from serve_daemon.gateway.store.store import Store

LAST = 2**53  # no event has this number: who waits for it waits for the end


class Stored:
    """What these endpoints have in common: each key finds its own responses."""

    def __init__(self, kept: KeptResponses) -> None:
        self._kept = kept

    async def find(self, response_id: str, exchange: Exchange) -> tuple[Store, Runs, Record]:
        """The response, and what knows of it. Raises `ApiError` 404 or 503."""
        store, runs = self._kept.shelf.require(), self._kept.runs
        if runs is None:
            raise not_found(response_id)
        try:
            record = await store.find(response_id)
        except StoreUnavailable as error:
            raise store_unavailable(error) from error
        if record is None or record.key != exchange.key_name:
            raise not_found(response_id)
        return store, runs, record


class StoredResponse(Stored):
    """One response."""

    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, response_id: str
    ) -> None:
        exchange: Exchange = request.scope["serve.exchange"]
        query = read_response_query(request.params)
        _, runs, record = await self.find(response_id, exchange)
        if not query.stream:
            response.data = record.response
            return
        if not record.is_streamed:
            raise not_streamed(response_id)
        first = 0 if query.starting_after is None else query.starting_after + 1
        response.sse = along(runs, Place(record.number, response_id, first), exchange)

    async def on_delete(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, response_id: str
    ) -> None:
        store, _, record = await self.find(response_id, request.scope["serve.exchange"])
        try:
            await store.delete(record.number)
        except StoreUnavailable as error:
            raise store_unavailable(error) from error
        response.data = encode(Deleted(response_id))


class StoredInput(Stored):
    """What a response was asked: all that the model was given, what it went on from included."""

    async def on_get(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, response_id: str
    ) -> None:
        query = read_item_query(request.params)
        _, _, record = await self.find(response_id, request.scope["serve.exchange"])
        try:
            earlier = await KeptHistory(self._kept.shelf).earlier(record.previous)
        except ApiError:  # some of it was deleted
            earlier = []
        except StoreUnavailable as error:
            raise store_unavailable(error) from error
        own = msgspec.json.decode(record.input, type=list[Item])
        response.data = encode(page([*earlier, *own], query))


class Cancelled(Stored):
    """The end of a response in the background, for good; of one that has ended, nothing."""

    async def on_post(
        self, request: falcon.asgi.Request, response: falcon.asgi.Response, response_id: str
    ) -> None:
        exchange: Exchange = request.scope["serve.exchange"]
        store, runs, record = await self.find(response_id, exchange)
        if not record.is_background:
            raise not_in_background(response_id)
        if record.ended is None:
            try:
                await store.request_end(record.number)
                runs.cancel(record.number)
                async for _ in runs.follow(record.number, response_id, LAST):
                    exchange.raise_if_cut()
            except StoreUnavailable as error:
                raise store_unavailable(error) from error
            _, _, record = await self.find(response_id, exchange)
        response.data = record.response
