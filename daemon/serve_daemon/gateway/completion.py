"""A request being answered: from its messages to pieces of text, with their count."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.chat_template import ChatTemplates
from serve_daemon.gateway.detokenize import Detokenizer
from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.errors import invalid
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.generation import Generation
from serve_daemon.gateway.routes import RoutingTable
from serve_daemon.gateway.stop_strings import StopStrings
from serve_daemon.gateway.tokenizer import Defaults, TextModel, TextModels
from serve_daemon.gateway.waiting import wait_for_engine
from serve_daemon.wire.messages import Finish, Sampling, Submit

SEED_BITS = 64
# Rendering and tokenizing take about a millisecond for so much text; beyond, other streams wait.
LONG_CHARACTERS = 8_000


@dataclass(frozen=True)
class Models:
    """What is known of the models that are served."""

    table: RoutingTable
    texts: TextModels
    templates: ChatTemplates


class Completion:
    """One request and its answer."""

    def __init__(self, request: GenerationRequest, exchange: Exchange, models: Models) -> None:
        route, leave = models.table.admit(request.model)
        exchange.model = route.model
        exchange.on_end(leave)
        self.is_prepared = False
        self.sampling = Sampling()
        self.finish_reason: Finish = Finish.STOP
        self._request = request
        self._exchange = exchange
        self._models = models
        self._model = route.model

    @property
    def prompt_tokens(self) -> int:
        return self._exchange.prompt_tokens

    @property
    def completion_tokens(self) -> int:
        return self._exchange.completion_tokens

    @property
    def cached_tokens(self) -> int:
        return self._generation.cached_tokens

    async def begin(self) -> None:
        """Prepare at once if an engine is there, so that a bad request gets its status.

        Raises `ApiError`.
        """
        engine = self._models.table.engine(self._model)
        if engine is not None:
            await self._prepare(engine)

    async def pieces(self) -> AsyncIterator[str]:
        """The answer's text, as it comes; an empty piece every second in which none came.

        Raises `ApiError`.
        """
        if not self.is_prepared:
            async for engine in wait_for_engine(self._models.table, self._model):
                if engine is None:
                    yield ""
                else:
                    await self._prepare(engine)
                    yield ""
        async for text in self._texts():
            yield text

    # ------------------------------------------------------------ messages to tokens

    async def _prepare(self, engine: Engine) -> None:
        ready = engine.address.ready
        text_model = await self._models.texts.get(ready.artefacts)
        await self._models.templates.load()
        prompt = await self._tokenize(text_model)
        self._exchange.prompt_tokens = len(prompt)
        self.sampling = sampling(self._request, text_model.defaults)
        order = Submit(
            sequence=0,
            request_id=self._exchange.request_id,
            tokens=prompt,
            max_new_tokens=max_new_tokens(self._request, len(prompt), ready.max_context),
            stop_tokens=ready.eos_tokens,
            sampling=self.sampling,
        )
        self._generation = Generation(order, self._model, self._models.table)
        self._exchange.on_end(self._generation.close)
        self._text_model = text_model
        self._stop_tokens = frozenset(ready.eos_tokens)
        self.is_prepared = True

    async def _tokenize(self, text_model: TextModel) -> list[int]:
        length = sum(len(message.content) for message in self._request.messages)
        if length < LONG_CHARACTERS:
            return self._encode(text_model)
        return await asyncio.get_running_loop().run_in_executor(None, self._encode, text_model)

    def _encode(self, text_model: TextModel) -> list[int]:
        if not text_model.chat_template:
            message = f"The model '{self._model}' has no chat template: it can't answer messages."
            raise invalid(message, "model", "unsupported_model")
        prompt = self._models.templates.render(
            text_model.chat_template, self._request.messages, text_model.variables
        )
        # The template has written the special tokens already.
        return text_model.tokenizer.encode(prompt, add_special_tokens=False).ids

    # ------------------------------------------------------------ tokens to text

    async def _texts(self) -> AsyncIterator[str]:
        detokenizer = Detokenizer(self._text_model.tokenizer)
        stops = StopStrings(self._request.stop)
        async for tokens in self._generation.batches():
            self._count(tokens)
            piece = stops.feed(detokenizer.feed(self._without_stop_token(tokens)))
            if piece or not tokens:
                yield piece
            if stops.is_stopped:
                self._generation.close()
                return
        rest = stops.feed(detokenizer.flush())
        if not stops.is_stopped:
            rest += stops.flush()
            self.finish_reason = self._generation.finish or Finish.STOP
        if rest:
            yield rest

    def _count(self, tokens: list[int]) -> None:
        if tokens and not self._exchange.completion_tokens:
            self._exchange.note_first_token()
        self._exchange.completion_tokens += len(tokens)

    def _without_stop_token(self, tokens: list[int]) -> list[int]:
        if self._generation.finish is Finish.STOP and tokens and tokens[-1] in self._stop_tokens:
            return tokens[:-1]
        return tokens


def sampling(request: GenerationRequest, defaults: Defaults) -> Sampling:
    """How the client wants it, else how the model's makers do."""
    seed = secrets.randbits(SEED_BITS) if request.seed is None else request.seed % 2**SEED_BITS
    return Sampling(
        temperature=_first(request.temperature, defaults.temperature),
        top_p=_first(request.top_p, defaults.top_p),
        top_k=int(_first(request.top_k, defaults.top_k)),
        seed=seed,
    )


def _first(given: float | None, default: float) -> float:
    return default if given is None else given


def max_new_tokens(request: GenerationRequest, prompt_tokens: int, max_context: int) -> int:
    """How many tokens may follow the prompt.

    Raises `ApiError` 400 for a prompt that leaves no room.
    """
    left = max_context - prompt_tokens
    if left <= 0:
        message = (
            f"This model's maximum context length is {max_context} tokens. However, your"
            f" messages resulted in {prompt_tokens} tokens. Please reduce their length."
        )
        raise invalid(message, request.messages_field, "context_length_exceeded")
    return left if request.max_tokens is None else min(request.max_tokens, left)
