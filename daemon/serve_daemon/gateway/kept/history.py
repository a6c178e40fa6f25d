"""What a request goes on from: the responses that are kept, and those that one connection knows."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from serve_daemon.api.response_output import Item
from serve_daemon.api.responses import ResponsesRequest, continued
from serve_daemon.gateway.common.asking import asker
from serve_daemon.gateway.kept.errors import (
    previous_not_ended,
    previous_not_found,
    store_unavailable,
    too_long,
)
from serve_daemon.gateway.kept.shelf import Shelf
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.records import Link


class _Output(Struct):
    """What of a response is input of the next."""

    output: list[Item]


_read_items = msgspec.json.Decoder(list[Item]).decode
_read_output = msgspec.json.Decoder(_Output).decode


class KeptHistory:
    """Of each key its own responses."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def complete(self, request: ResponsesRequest) -> ResponsesRequest:
        """The request with the messages that `previous_response_id` and references stand for.

        Instructions of the responses before are not among them. Raises `ApiError`.
        """
        if not request.needs_history:
            return request
        try:
            earlier = await self.earlier(request.previous_response_id)
            found = await self._found(request.references)
        except StoreUnavailable as error:
            raise store_unavailable(error) from error
        known = {item["id"]: item for item in (*found, *earlier) if "id" in item}
        return continued(request, earlier, known)

    async def earlier(self, newest: str | None) -> list[Item]:
        """Input and output of a response, and of all that it goes on from, in their order.

        Raises `ApiError` where they are not all there.
        """
        if newest is None:
            return []
        store = self._shelf.require()
        try:
            links = await store.chain(newest)
        except ValueError as error:
            raise too_long(str(error)) from error
        _check(links, newest)
        return [item for link in links for item in items_of(link)]

    async def _found(self, ids: Sequence[str]) -> list[Item]:
        if not ids:
            return []
        links = await self._shelf.require().with_items(ids, asker().key_name)
        return [item for link in links for item in items_of(link)]


def _check(links: Sequence[Link], newest: str) -> None:
    """Raise `ApiError` for a conversation that is not whole, or another's."""
    key = asker().key_name
    if not links or any(link.key != key for link in links):
        raise previous_not_found(newest)
    if links[0].previous is not None:
        raise previous_not_found(links[0].previous)
    if not links[-1].is_ended:
        raise previous_not_ended(newest)


def items_of(link: Link) -> Iterable[Item]:
    """Its input, and then its output."""
    return [*_read_items(link.input), *_read_output(link.response).output]
