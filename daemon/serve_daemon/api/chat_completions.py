"""The request and the replies of POST /v1/chat/completions."""

from typing import Any, Literal

from msgspec import Struct

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, boolean, group, integer, only, read_object
from serve_daemon.api.logprobs import ChoiceLogprobs, check_top_logprobs
from serve_daemon.api.messages import chat_messages
from serve_daemon.api.output_format import FORMAT_FIELDS, take_output_format
from serve_daemon.api.requests import (
    EMPTY_ARRAY,
    NOTHING,
    SHARED,
    GenerationRequest,
    decode_body,
)
from serve_daemon.api.sampling import MAX_TOKENS

STREAM_OPTIONS: Table = {
    "include_usage": Field(boolean, "include_usage"),
    "include_obfuscation": Field(only(False)),
}

CHAT_COMPLETIONS: Table = {
    **SHARED,
    "messages": Field(chat_messages, "messages", required=True),
    "max_completion_tokens": Field(integer(1, MAX_TOKENS), "max_completion_tokens"),
    "max_tokens": Field(integer(1, MAX_TOKENS), "max_tokens"),
    "stream_options": Field(group(STREAM_OPTIONS), "stream_options"),
    "n": Field(only(1)),
    "logprobs": Field(boolean, "logprobs"),
    **FORMAT_FIELDS,
    "modalities": Field(only(["text"])),
    "function_call": Field(only("auto", "none")),
    "functions": EMPTY_ARRAY,
    "reasoning_effort": Field(only("none")),
    "verbosity": Field(only("medium")),
    "audio": NOTHING,
    "prediction": NOTHING,
    "web_search_options": NOTHING,
}


class ChatRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of POST /v1/chat/completions."""

    include_usage: bool = False


def read_chat_request(body: bytes) -> ChatRequest:
    """The request that `body` makes.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    attributes = read_object(CHAT_COMPLETIONS, decode_body(body))
    check_top_logprobs(attributes, "'logprobs' to be true")
    newer = attributes.pop("max_completion_tokens", None)
    if newer is not None:
        attributes["max_tokens"] = newer  # max_tokens is its deprecated name
    options: dict[str, Any] = attributes.pop("stream_options", {})
    if options and not attributes.get("stream"):
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise InvalidRequest(message, "stream_options", "invalid_value")
    form = take_output_format(attributes)
    return ChatRequest(**attributes, **options, output_format=form)


# ---------------------------------------------------------------- replies

FinishReason = Literal["stop", "length"]


class PromptTokensDetails(Struct, frozen=True):
    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class ChatUsage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ReplyMessage(Struct, frozen=True):
    content: str
    role: str = "assistant"
    refusal: None = None
    annotations: list[None] = []


class Choice(Struct, frozen=True):
    message: ReplyMessage
    finish_reason: FinishReason
    index: int = 0
    logprobs: ChoiceLogprobs | None = None


class ChatCompletion(Struct, frozen=True):
    """The reply without streaming."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
    system_fingerprint: str
    object: str = "chat.completion"
    service_tier: str = "default"


class Delta(Struct, frozen=True, omit_defaults=True):
    role: str = ""
    content: str | None = None


class ChunkChoice(Struct, frozen=True):
    delta: Delta
    finish_reason: FinishReason | None = None
    index: int = 0
    logprobs: ChoiceLogprobs | None = None


class ChatChunk(Struct, frozen=True):
    """One event of a stream."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    object: str = "chat.completion.chunk"
    service_tier: str = "default"


class ChatChunkWithUsage(ChatChunk, frozen=True, kw_only=True):
    """One event of a stream whose last one tells the usage; null in all others."""

    usage: ChatUsage | None = None
