"""POST /tokenize and /detokenize."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import falcon.asgi

from serve_daemon.api.tokens import (
    Detokenized,
    DetokenizeRequest,
    Tokenized,
    TokenizeRequest,
    read_detokenize_request,
    read_tokenize_request,
)
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.reply import require_json
from serve_daemon.gateway.answers.text_side import engine_of
from serve_daemon.gateway.common.errors import invalid
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.text.tokenizer import TextModel

Result = TypeVar("Result")

MANY_TOKENS = 4_000  # to decode more takes so long that other streams would wait


class Tokenize:
    """The tokens of a text, or of a conversation."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_tokenize_request(exchange.body)
        engine = await engine_of(wanted.model, exchange, self._models)
        tokens = await self._tokens(wanted, engine)
        text_model = await self._models.prompts.texts.get(engine.address.ready.artefacts)
        exchange.prompt_tokens = len(tokens)
        response.data = encode(
            Tokenized(
                count=len(tokens),
                max_model_len=engine.address.ready.max_context,
                tokens=tokens,
                token_strs=_pieces(text_model, tokens) if wanted.return_token_strs else None,
            )
        )

    async def _tokens(self, wanted: TokenizeRequest, engine: Engine) -> list[int]:
        if wanted.prompt == "" and not wanted.add_special_tokens:
            return []  # which is no prompt that could be answered
        return await self._models.prompts.tokens(wanted, engine)


class Detokenize:
    """The text of tokens, special ones included."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def on_post(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_json(request)
        exchange: Exchange = request.scope["serve.exchange"]
        wanted = read_detokenize_request(exchange.body)
        engine = await engine_of(wanted.model, exchange, self._models)
        check_vocabulary(wanted, engine.address.ready.vocabulary)
        text_model = await self._models.prompts.texts.get(engine.address.ready.artefacts)
        tokenizer, tokens = text_model.tokenizer, wanted.tokens
        text = await _without_delay(
            lambda: tokenizer.decode(tokens, skip_special_tokens=False), len(tokens)
        )
        response.data = encode(Detokenized(text))


def check_vocabulary(request: DetokenizeRequest, vocabulary: int) -> None:
    """Raise `ApiError` 400 for a token that the model does not have."""
    if (token := max(request.tokens, default=0)) >= vocabulary:
        message = f"Invalid 'tokens': the model's {vocabulary} tokens have no {token}."
        raise invalid(message, "tokens", "invalid_value")


def _pieces(text_model: TextModel, tokens: list[int]) -> list[str]:
    """As the vocabulary spells them; "" for one that the tokenizer does not know."""
    return [text_model.tokenizer.id_to_token(token) or "" for token in tokens]


async def _without_delay(compute: Callable[[], Result], num_tokens: int) -> Result:
    """The result, from another thread where it takes long."""
    if num_tokens < MANY_TOKENS:
        return compute()
    return await asyncio.get_running_loop().run_in_executor(None, compute)
