"""Which responses are kept, and what of them."""

import time

import msgspec
import structlog
from msgspec import Struct

from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.gateway.common.asking import asker
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.kept.errors import needs_store, store_unavailable
from serve_daemon.gateway.kept.shelf import Shelf
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.records import NewRecord

log = structlog.get_logger()


class Wish(Struct, frozen=True):
    """A request that says whether its response is kept."""

    request: ResponsesRequest
    insists: bool  # on its being kept


class Keeping:
    """Decides, by what a request and the configuration say."""

    def __init__(self, shelf: Shelf, conditions: Conditions) -> None:
        self._shelf = shelf
        self._conditions = conditions

    def decided(self, request: ResponsesRequest) -> Wish:
        """What becomes of the request.

        Where it does not say, and nothing can be kept, it goes on without: an answer is worth more
        than its copy. Raises `ApiError` where it insists, and nothing can be kept.
        """
        if request.background and request.store is False:
            raise needs_store()
        insists = bool(request.store or request.background)
        if insists:
            self._shelf.require()
        by_default = self._conditions.settings.stores_by_default and self._shelf.store is not None
        store = insists or (request.store is None and by_default)
        return Wish(msgspec.structs.replace(request, store=store), insists)

    def record(self, request: ResponsesRequest, body: bytes, answer: ResponseAnswer) -> NewRecord:
        """What is kept of it at first."""
        response = answer.response
        return NewRecord(
            id=response.id,
            created=response.created_at,
            expires=int(response.created_at + self._conditions.settings.retention),
            key=asker().key_name,
            is_background=request.background,
            is_streamed=request.stream or request.background,
            previous=request.previous_response_id,
            request=body,
            input=encode(request.input_items),
            response=b"",
            item_ids=[item["id"] for item in request.input_items if "id" in item],
        )

    async def keep(self, wish: Wish, body: bytes, answer: ResponseAnswer) -> None:
        """Keep a response that is whole. Raises `ApiError` where that fails, and it insists."""
        response = answer.response
        record = self.record(wish.request, body, answer)
        ids = [*record.item_ids, *(item.id for item in response.output)]
        await self.put(wish, msgspec.structs.replace(record, item_ids=ids), encode(response))

    async def put(self, wish: Wish, record: NewRecord, response: bytes) -> None:
        """Keep a response that has ended. Raises as `keep` does."""
        whole = msgspec.structs.replace(
            record, response=response, ended=int(time.time()), is_streamed=False
        )
        try:
            await self._shelf.require().create(whole)
        except StoreUnavailable as error:
            log.warning("a response can't be kept", response=record.id, error=str(error))
            if wish.insists:
                raise store_unavailable(error) from error
