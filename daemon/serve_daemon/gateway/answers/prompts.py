"""From a request's messages and wishes to what an engine is to do."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers import kinds
from serve_daemon.gateway.common.errors import invalid
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.grammars.bad_words import sequences_of
from serve_daemon.gateway.grammars.constraints import constraint
from serve_daemon.gateway.parsing.output_parser import OutputParser, PlainText
from serve_daemon.gateway.parsing.writing import wishes_of, writing_of
from serve_daemon.gateway.text.chat_template import ChatTemplates
from serve_daemon.gateway.text.tokenizer import Defaults, TextModel, TextModels
from serve_daemon.gateway.text.truncation import shortened
from serve_daemon.wire.messages import EngineReady, Kind, Submit
from serve_daemon.wire.sampling import NO_LOGPROBS, Sampling

SEED_BITS = 64
# Rendering and tokenizing take about a millisecond for so much text; beyond, other streams wait.
LONG_CHARACTERS = 8_000
MESSAGE_CHARACTERS = 50  # what a template does for one message takes as long as so much text
TOOL_CHARACTERS = 500  # for one tool, mostly its JSON schema


class Prepared(Struct, frozen=True):
    """A request in tokens, and the text side of the model that they are for."""

    order: Submit
    text_model: TextModel
    fingerprint: str  # changes with whatever may change the answer to an equal request
    parser: Callable[[], OutputParser] = PlainText  # a new one, for one answer
    hidden: frozenset[int] | None = None  # special tokens without a text; None: all of them


@dataclass(frozen=True)
class Prompts:
    """Prepares requests."""

    texts: TextModels
    templates: ChatTemplates

    async def prepare(
        self, request: GenerationRequest, request_id: str, engine: Engine
    ) -> Prepared:
        """The request for the model that `engine` runs.

        Raises `ApiError` for one that this model can't answer.
        """
        ready = engine.address.ready
        kinds.require(Kind.GENERATION, ready, request.model)
        check_tokens(request, ready.vocabulary)
        check_prompt(request, ready.vocabulary)
        text_model = await self.texts.get(ready.artefacts)
        if request.prompt is None:
            await self.templates.load()
        if request.truncation == "auto":
            request = await self._shortened(request, text_model, ready.max_context)
        prompt = await self._tokenize(request, text_model)
        writing = writing_of(request, text_model, prompt)
        grammar = await constraint(request, text_model, writing)
        order = Submit(
            sequence=0,  # the connection gives it one
            request_id=request_id,
            tokens=prompt,
            max_new_tokens=max_new_tokens(request, len(prompt), ready.max_context),
            stop_tokens=[*stop_tokens(request, ready, grammar), *writing.stop_tokens],
            sampling=msgspec.structs.replace(
                sampling(request, text_model.defaults),
                banned=sequences_of(request.bad_words, text_model.tokenizer),
            ),
            grammar=grammar,
        )
        name = fingerprint(ready, text_model)
        return Prepared(order, text_model, name, writing.parser, writing.hidden)

    async def tokens(self, request: GenerationRequest, engine: Engine) -> list[int]:
        """The prompt that the request makes, however long it is. Raises as `prepare` does."""
        text_model = await self.texts.get(engine.address.ready.artefacts)
        await self.templates.load()
        return await self._tokenize(request, text_model)

    async def _shortened(
        self, request: GenerationRequest, text_model: TextModel, max_context: int
    ) -> GenerationRequest:
        async def count(candidate: GenerationRequest) -> int:
            return len(await self._tokenize(candidate, text_model))

        return await shortened(request, max_context, count)

    async def has_vocabulary(self, engine: Engine, text_model: TextModel) -> bool:
        """Whether tokens mean the same to the model that `engine` runs, and it generates, too."""
        if engine.address.ready.kind is not Kind.GENERATION:
            return False
        other = await self.texts.get(engine.address.ready.artefacts)
        return other.fingerprint == text_model.fingerprint

    async def _tokenize(self, request: GenerationRequest, text_model: TextModel) -> list[int]:
        if isinstance(request.prompt, list):
            return request.prompt
        if request.prompt is not None:
            return await self._tokenize_text(request.prompt, request, text_model)
        if characters(request) < LONG_CHARACTERS:
            return self._encode(request, text_model)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, self._encode, request, text_model)

    async def _tokenize_text(
        self, prompt: str, request: GenerationRequest, text_model: TextModel
    ) -> list[int]:
        def encode() -> list[int]:
            special = request.add_special_tokens
            return text_model.tokenizer.encode(prompt, add_special_tokens=special).ids

        loop = asyncio.get_running_loop()
        is_long = len(prompt) >= LONG_CHARACTERS
        tokens = await loop.run_in_executor(None, encode) if is_long else encode()
        if not tokens:
            raise invalid("Invalid 'prompt': it has no tokens.", "prompt", "empty_string")
        return tokens

    def _encode(self, request: GenerationRequest, text_model: TextModel) -> list[int]:
        if not text_model.chat_template:
            message = f"The model '{request.model}' has no chat template: it can't answer messages."
            raise invalid(message, "model", "unsupported_model")
        prompt = self.templates.render(
            text_model.chat_template,
            request.messages,
            text_model.variables,
            wishes_of(request, text_model),
        )
        # The template has written the special tokens already.
        return text_model.tokenizer.encode(prompt, add_special_tokens=False).ids


def characters(request: GenerationRequest) -> int:
    """About as much text as takes as long as to render and tokenize the conversation."""
    said = sum(len(message.content) + len(message.reasoning) for message in request.messages)
    called = sum(len(call.arguments) for each in request.messages for call in each.tool_calls)
    return (
        said
        + called
        + MESSAGE_CHARACTERS * len(request.messages)
        + TOOL_CHARACTERS * len(request.tools)
    )


def fingerprint(ready: EngineReady, text_model: TextModel) -> str:
    """A name for what the engine computes with, as system_fingerprint tells it."""
    parts = (ready.artefacts, ready.device, ready.dtype, ready.attn_implementation)
    digest = hashlib.sha256("\n".join([text_model.fingerprint, *parts]).encode())
    return f"fp_{digest.hexdigest()[:10]}"


def sampling(request: GenerationRequest, defaults: Defaults) -> Sampling:
    """How the client wants it, else how the model's makers do."""
    seed = secrets.randbits(SEED_BITS) if request.seed is None else request.seed % 2**SEED_BITS
    return Sampling(
        temperature=_first(request.temperature, defaults.temperature),
        top_p=_first(request.top_p, defaults.top_p),
        top_k=int(_first(request.top_k, defaults.top_k)),
        seed=seed,
        min_p=_first(request.min_p, defaults.min_p),
        typical_p=_first(request.typical_p, defaults.typical_p),
        repetition_penalty=_first(request.repetition_penalty, defaults.repetition_penalty),
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=request.logit_bias,
        min_tokens=request.min_tokens,
        logprobs=request.top_logprobs if request.logprobs else NO_LOGPROBS,
        allowed=request.allowed_token_ids,
    )


def check_tokens(request: GenerationRequest, vocabulary: int) -> None:
    """Raise `ApiError` 400 for a token id that the model does not have."""
    for name in ("logit_bias", "stop_token_ids", "allowed_token_ids"):
        if (token := max(getattr(request, name), default=0)) >= vocabulary:
            message = f"Invalid '{name}': the model's {vocabulary} tokens have no {token}."
            raise invalid(message, name, "invalid_value")


def check_prompt(request: GenerationRequest, vocabulary: int) -> None:
    """Raise `ApiError` 400 for a prompt of token ids that the model does not have."""
    if isinstance(request.prompt, list) and (token := max(request.prompt)) >= vocabulary:
        message = f"Invalid 'prompt': the model's {vocabulary} tokens have no {token}."
        raise invalid(message, "prompt", "invalid_value")


def stop_tokens(request: GenerationRequest, ready: EngineReady, grammar: str = "") -> list[int]:
    """What ends the answer: what the model says it with, and what the client names.

    Where it has a form, it ends with that: then there is no end to be ignored.
    """
    ends = [] if request.ignore_eos and not grammar else ready.eos_tokens
    return [*ends, *request.stop_token_ids]


def _first(given: float | None, default: float) -> float:
    return default if given is None else given


def max_new_tokens(request: GenerationRequest, prompt_tokens: int, max_context: int) -> int:
    """How many tokens may follow the prompt.

    Raises `ApiError` 400 for a prompt that leaves no room, or less than the client insists on.
    """
    if request.max_tokens is not None and request.min_tokens > request.max_tokens:
        message = (
            f"Invalid 'min_tokens': {request.min_tokens} is more than the {request.max_tokens}"
            " tokens that the answer may have."
        )
        raise invalid(message, "min_tokens", "invalid_value")
    left = max_context - prompt_tokens
    if left <= 0:
        message = (
            f"This model's maximum context length is {max_context} tokens. However, your"
            f" {request.messages_field} resulted in {prompt_tokens} tokens. Please reduce them."
        )
        raise invalid(message, request.messages_field, "context_length_exceeded")
    return left if request.max_tokens is None else min(request.max_tokens, left)
