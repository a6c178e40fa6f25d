"""What one WebSocket connection goes on from without a store: the response it was told last."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from serve_daemon.api.response_output import Item
from serve_daemon.api.responses import ResponsesRequest, continued
from serve_daemon.gateway.items.history import History


class _Told(Struct):
    id: str
    output: list[Item]


class LocalHistory:
    """Before it comes what is kept for all. An error forgets it, as OpenAI's does."""

    def __init__(self, kept: History) -> None:
        self._kept = kept
        self._id: str | None = None
        self._items: list[Item] = []

    async def complete(self, request: ResponsesRequest) -> ResponsesRequest:
        """The request with the messages that it goes on from. Raises as `History.complete` does."""
        if self._id is None or request.previous_response_id != self._id:
            return await self._kept.complete(request)
        known = {item["id"]: item for item in self._items if "id" in item}
        return continued(request, self._items, known)

    def remember(self, request: ResponsesRequest, response: bytes) -> None:
        """This is the last response."""
        told = msgspec.json.decode(response, type=_Told)
        self._id = told.id
        self._items = _joined(request.earlier_items, request.input_items, told.output)

    def forget(self) -> None:
        self._id, self._items = None, []


def _joined(*parts: Sequence[Item]) -> list[Item]:
    return [item for part in parts for item in part]
