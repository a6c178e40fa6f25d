"""POST /v1/responses."""

import falcon.asgi

from serve_daemon.api.fields import unsupported
from serve_daemon.api.responses import ResponsesRequest, read_responses_request
from serve_daemon.gateway.completion import Completion, Models
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.reply import require_json, send
from serve_daemon.gateway.response_events import ResponseAnswer


class Responses:
    """The endpoint."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_responses_request(exchange.body)
        refuse_what_needs_a_store(wanted)
        completion = Completion(wanted, exchange, self._models)
        await send(response, completion, ResponseAnswer(wanted, completion))


def refuse_what_needs_a_store(request: ResponsesRequest) -> None:
    """Raise `InvalidRequest` for a wish that can't be fulfilled where nothing is kept."""
    reason = "responses are not kept"
    for name in ("store", "background", "previous_response_id"):
        if value := getattr(request, name):
            raise unsupported(name, value, reason)
    for item_id in request.references:
        raise unsupported("input", item_id, reason)
