"""The replies of POST /v1/chat/completions: whole, and the chunks of a stream."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.logprobs import ChoiceLogprobs
from serve_daemon.api.usage import TokenUsage

FinishReason = Literal["stop", "length", "tool_calls", "function_call"]


class CalledFunction(Struct, frozen=True):
    name: str
    arguments: str  # JSON text


class ReplyToolCall(Struct, frozen=True):
    id: str
    function: CalledFunction
    type: str = "function"


class ReplyMessage(Struct, frozen=True):
    content: str | None  # null where all that the model says are calls
    role: str = "assistant"
    refusal: None = None
    annotations: list[None] = []
    reasoning_content: str | UnsetType = UNSET
    reasoning: str | UnsetType = UNSET  # the same by its newer name
    tool_calls: list[ReplyToolCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


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
    usage: TokenUsage
    system_fingerprint: str
    object: str = "chat.completion"
    service_tier: str = "default"


class FunctionDelta(Struct, frozen=True, omit_defaults=True):
    """The name, with the first part of the arguments, which is empty; then the other parts."""

    arguments: str
    name: str = ""


class ToolCallDelta(Struct, frozen=True):
    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class Delta(Struct, frozen=True, omit_defaults=True):
    role: str = ""
    content: str | None = None
    reasoning_content: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []
    function_call: FunctionDelta | None = None


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

    usage: TokenUsage | None = None
