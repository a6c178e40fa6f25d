"""What a request for a response can go on from."""

from typing import Protocol

from serve_daemon.api.fields import unsupported
from serve_daemon.api.responses import ResponsesRequest


class History(Protocol):
    """Knows the responses that were kept."""

    async def complete(self, request: ResponsesRequest) -> ResponsesRequest:
        """The request with the messages that `previous_response_id` and references stand for.

        Raises `ApiError` or `InvalidRequest` for what is not there.
        """


class NothingKept:
    """Where no response is kept."""

    async def complete(self, request: ResponsesRequest) -> ResponsesRequest:
        """Raise `InvalidRequest` for a wish that can't be fulfilled."""
        reason = "responses are not kept"
        for name in ("store", "background", "previous_response_id"):
            if value := getattr(request, name):
                raise unsupported(name, value, reason)
        for item_id in request.references:
            raise unsupported("input", item_id, reason)
        return request
