"""The response object of /v1/responses, and the events of its stream."""

from typing import Literal

from msgspec import Struct

from serve_daemon.api.logprobs import TokenLogprob

Status = Literal["in_progress", "completed", "incomplete", "failed"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, frozen=True, kw_only=True):
    type: str = "output_text"
    text: str
    annotations: list[None] = []
    logprobs: list[TokenLogprob] = []


class OutputMessage(Struct, frozen=True, kw_only=True):
    id: str
    type: str = "message"
    status: ItemStatus
    role: str = "assistant"
    content: list[OutputText]


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, frozen=True):
    reasoning_tokens: int = 0


class ResponseUsage(Struct, frozen=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFailure(Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(Struct, frozen=True):
    reason: Literal["max_output_tokens"]


class Reasoning(Struct, frozen=True):
    effort: None = None
    summary: None = None


class TextFormat(Struct, frozen=True):
    type: str = "text"


class TextSettings(Struct, frozen=True):
    format: TextFormat = TextFormat()
    verbosity: str = "medium"


class Response(Struct, frozen=True, kw_only=True):
    """A response, whole or in the making; every key is always there."""

    id: str
    object: str = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputMessage]
    usage: ResponseUsage | None = None
    instructions: str | None
    max_output_tokens: int | None
    temperature: float
    top_p: float
    metadata: dict[str, str]
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    parallel_tool_calls: bool
    tool_choice: str
    max_tool_calls: int | None
    tools: list[None] = []
    text: TextSettings = TextSettings()
    reasoning: Reasoning = Reasoning()
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    truncation: str = "disabled"
    service_tier: str = "default"
    store: bool = False
    background: bool = False
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None
    prompt_cache_retention: None = None


# ---------------------------------------------------------------- events of a stream


class ResponseEvent(Struct, frozen=True, kw_only=True):
    """response.created, .in_progress, .completed, .incomplete and .failed."""

    type: str
    response: Response
    sequence_number: int


class OutputItemEvent(Struct, frozen=True, kw_only=True):
    """response.output_item.added and .done."""

    type: str
    item: OutputMessage
    output_index: int = 0
    sequence_number: int


class ContentPartEvent(Struct, frozen=True, kw_only=True):
    """response.content_part.added and .done."""

    type: str
    item_id: str
    output_index: int = 0
    content_index: int = 0
    part: OutputText
    sequence_number: int


class TextDeltaEvent(Struct, frozen=True, kw_only=True):
    type: str = "response.output_text.delta"
    item_id: str
    output_index: int = 0
    content_index: int = 0
    delta: str
    logprobs: list[TokenLogprob] = []
    sequence_number: int


class TextDoneEvent(Struct, frozen=True, kw_only=True):
    type: str = "response.output_text.done"
    item_id: str
    output_index: int = 0
    content_index: int = 0
    text: str
    logprobs: list[TokenLogprob] = []
    sequence_number: int


class ErrorEvent(Struct, frozen=True, kw_only=True):
    """The stream can't go on."""

    type: str = "error"
    code: str | None
    message: str
    param: str | None
    sequence_number: int
