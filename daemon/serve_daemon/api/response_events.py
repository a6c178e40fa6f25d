"""The events of a response's stream."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.errors import ErrorBody
from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.response_objects import Response
from serve_daemon.api.response_output import OutputItem, Part, SummaryText


class ResponseEvent(Struct, frozen=True, kw_only=True):
    """The state of the whole response has changed."""

    type: Literal[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.incomplete",
        "response.failed",
    ]
    response: Response
    sequence_number: int


class OutputItemEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.output_item.added", "response.output_item.done"]
    item: OutputItem
    output_index: int
    sequence_number: int


class ContentPartEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.content_part.added", "response.content_part.done"]
    item_id: str
    output_index: int
    content_index: int = 0
    part: Part
    sequence_number: int


class TextDeltaEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.output_text.delta"] = "response.output_text.delta"
    item_id: str
    output_index: int
    content_index: int = 0
    delta: str
    logprobs: list[TokenLogprob] = []
    obfuscation: str | UnsetType = UNSET
    sequence_number: int


class TextDoneEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.output_text.done"] = "response.output_text.done"
    item_id: str
    output_index: int
    content_index: int = 0
    text: str
    logprobs: list[TokenLogprob] = []
    sequence_number: int


class ReasoningDeltaEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.reasoning_text.delta"] = "response.reasoning_text.delta"
    item_id: str
    output_index: int
    content_index: int = 0
    delta: str
    obfuscation: str | UnsetType = UNSET
    sequence_number: int


class ReasoningDoneEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.reasoning_text.done"] = "response.reasoning_text.done"
    item_id: str
    output_index: int
    content_index: int = 0
    text: str
    sequence_number: int


class SummaryPartEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"]
    item_id: str
    output_index: int
    summary_index: int = 0
    part: SummaryText
    sequence_number: int


class SummaryDeltaEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.reasoning_summary_text.delta"] = "response.reasoning_summary_text.delta"
    item_id: str
    output_index: int
    summary_index: int = 0
    delta: str
    obfuscation: str | UnsetType = UNSET
    sequence_number: int


class SummaryDoneEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.reasoning_summary_text.done"] = "response.reasoning_summary_text.done"
    item_id: str
    output_index: int
    summary_index: int = 0
    text: str
    sequence_number: int


class ArgumentsDeltaEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.function_call_arguments.delta"] = (
        "response.function_call_arguments.delta"
    )
    item_id: str
    output_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET
    sequence_number: int


class ArgumentsDoneEvent(Struct, frozen=True, kw_only=True):
    type: Literal["response.function_call_arguments.done"] = "response.function_call_arguments.done"
    item_id: str
    name: str  # of the function
    output_index: int
    arguments: str
    sequence_number: int


class ErrorEvent(Struct, frozen=True, kw_only=True):
    """The stream can't go on; the same twice, as OpenAI and as Open Responses have it."""

    type: Literal["error"] = "error"
    code: str | None
    message: str
    param: str | None
    error: ErrorBody
    sequence_number: int
