"""POST /v1/responses and /v1/responses/input_tokens."""

import falcon.asgi

from serve_daemon.api.response_objects import InputTokens
from serve_daemon.api.response_requests import read_input_tokens_request
from serve_daemon.api.responses import read_responses_request
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.answers.text_side import prompt_tokens
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.items.history import History
from serve_daemon.gateway.responses.making import MakingResponses


class Responses:
    """The endpoint that answers."""

    def __init__(self, making: MakingResponses) -> None:
        self._making = making

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wish = await self._making.prepared(read_responses_request(exchange.body))
        if wish.request.stream:
            response.sse = await self._making.events(wish, exchange)
        else:
            response.data = await self._making.whole(wish, exchange)


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
