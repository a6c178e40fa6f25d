"""The replies of /v1/messages, the events of its stream, and its errors."""

from typing import Any, Literal

from msgspec import Struct

StopReason = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "model_context_window_exceeded"
]


class TextBlock(Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    text: str
    citations: list[None] = []


class ThinkingBlock(Struct, frozen=True, kw_only=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class DirectCaller(Struct, frozen=True, tag_field="type", tag="direct"):
    """The model itself."""


class ToolUseBlock(Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_use"):
    id: str
    name: str
    input: dict[str, Any]
    caller: DirectCaller = DirectCaller()


Block = TextBlock | ThinkingBlock | ToolUseBlock


class OutputTokensDetails(Struct, frozen=True):
    thinking_tokens: int


class DeltaUsage(Struct, frozen=True, kw_only=True):
    """Tokens so far; of the prompt, those found in the cache are counted apart."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    server_tool_use: None = None


class Usage(DeltaUsage, frozen=True, kw_only=True):
    cache_creation: None = None
    inference_geo: None = None
    service_tier: Literal["standard"] = "standard"


class Message(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """The reply without streaming, and with nothing in it yet the begin of a stream."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Block]
    stop_reason: StopReason | None
    stop_sequence: str | None
    stop_details: None = None
    usage: Usage
    container: None = None


class TokensCount(Struct, frozen=True):
    """The reply of /v1/messages/count_tokens."""

    input_tokens: int


# ---------------------------------------------------------------- events of a stream


class MessageStart(Struct, frozen=True, kw_only=True, tag_field="type", tag="message_start"):
    message: Message


class BlockStart(Struct, frozen=True, kw_only=True, tag_field="type", tag="content_block_start"):
    index: int
    content_block: Block  # with nothing in it yet


class TextDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="text_delta"):
    text: str


class ThinkingDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class SignatureDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="signature_delta"):
    signature: str


class InputDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


Delta = TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class BlockDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="content_block_delta"):
    index: int
    delta: Delta


class BlockStop(Struct, frozen=True, kw_only=True, tag_field="type", tag="content_block_stop"):
    index: int


class StopDelta(Struct, frozen=True, kw_only=True):
    stop_reason: StopReason
    stop_sequence: str | None
    stop_details: None = None
    container: None = None


class MessageDelta(Struct, frozen=True, kw_only=True, tag_field="type", tag="message_delta"):
    delta: StopDelta
    usage: DeltaUsage


class MessageStop(Struct, frozen=True, kw_only=True, tag_field="type", tag="message_stop"):
    """The last event of a stream that came to its end."""


class Ping(Struct, frozen=True, kw_only=True, tag_field="type", tag="ping"):
    """Somebody is still there."""


# ---------------------------------------------------------------- errors


class AnthropicError(Struct, frozen=True, kw_only=True):
    type: str
    message: str


class AnthropicErrorReply(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """The whole body of a reply with an error status, and the event that ends a stream."""

    error: AnthropicError
    request_id: str
