"""POST /v1/responses and /v1/responses/input_tokens."""

import falcon.asgi

from serve_daemon.api.response_objects import InputTokens
from serve_daemon.api.response_requests import read_input_tokens_request
from serve_daemon.api.responses import read_responses_request
from serve_daemon.gateway.completion import Completion, Models
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.frames import encode
from serve_daemon.gateway.reply import require_json, send
from serve_daemon.gateway.response_events import ResponseAnswer
from serve_daemon.gateway.response_history import History
from serve_daemon.gateway.text_side import prompt_tokens


class Responses:
    """The endpoint that answers."""

    def __init__(self, models: Models, history: History) -> None:
        self._models = models
        self._history = history

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = await self._history.complete(read_responses_request(exchange.body))
        completion = Completion(wanted, exchange, self._models)
        await send(response, completion, ResponseAnswer(wanted, completion))


class InputTokensCount:
    """The endpoint that counts the tokens of a prompt."""

    def __init__(self, models: Models, history: History) -> None:
        self._models = models
        self._history = history

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = await self._history.complete(read_input_tokens_request(exchange.body))
        count = await prompt_tokens(wanted, exchange, self._models)
        response.data = encode(InputTokens(input_tokens=count))
