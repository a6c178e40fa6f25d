"""POST /v1/messages and /v1/messages/count_tokens, as Anthropic's API has them."""

from collections.abc import AsyncIterator

import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.api.anthropic import read_count_request, read_messages_request
from serve_daemon.api.anthropic_replies import TokensCount
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import require_json, stream, whole
from serve_daemon.gateway.answers.text_side import prompt_tokens
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import DONE, WAITING, encode
from serve_daemon.gateway.messages.answer import PING, MessagesAnswer


class Messages:
    """The endpoint that answers."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_messages_request(exchange.body)
        completion = Completion(wanted, exchange, self._models)
        answer = MessagesAnswer(wanted, completion)
        if completion.is_streamed:
            await completion.begin()
            response.sse = _as_anthropic(stream(completion, answer, exchange))
        else:
            response.data = await whole(completion, answer)


async def _as_anthropic(events: AsyncIterator[SSEvent]) -> AsyncIterator[SSEvent]:
    """The stream with pings for comments, and without OpenAI's last line."""
    has_begun = False
    async for event in events:
        if event is WAITING and has_begun:
            yield PING
        elif event is not DONE:
            has_begun = has_begun or event is not WAITING
            yield event


class CountTokens:
    """The endpoint that counts the tokens of a prompt."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_count_request(exchange.body)
        count = await prompt_tokens(wanted, exchange, self._models)
        response.data = encode(TokensCount(count))
