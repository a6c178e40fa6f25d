"""The items of a response's output, and their parts; they may be input of the next request."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.logprobs import TokenLogprob

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, frozen=True, kw_only=True):
    type: Literal["output_text"] = "output_text"
    text: str
    annotations: list[None] = []
    logprobs: list[TokenLogprob] = []


class ReasoningText(Struct, frozen=True, kw_only=True):
    type: Literal["reasoning_text"] = "reasoning_text"
    text: str


class SummaryText(Struct, frozen=True, kw_only=True):
    type: Literal["summary_text"] = "summary_text"
    text: str


class OutputMessage(Struct, frozen=True, kw_only=True):
    id: str
    type: Literal["message"] = "message"
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: list[OutputText]


class ReasoningItem(Struct, frozen=True, kw_only=True):
    """What the model thought; `encrypted_content` where the request includes it."""

    id: str
    type: Literal["reasoning"] = "reasoning"
    status: ItemStatus
    summary: list[SummaryText]
    content: list[ReasoningText]
    encrypted_content: str | UnsetType = UNSET


class FunctionCall(Struct, frozen=True, kw_only=True):
    """A call that the client is to make; `arguments`: JSON text."""

    id: str
    type: Literal["function_call"] = "function_call"
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


class CompactionItem(Struct, frozen=True, kw_only=True):
    """A conversation made short, which only this server reads (`api/sealed.py`)."""

    id: str
    type: Literal["compaction"] = "compaction"
    encrypted_content: str


OutputItem = OutputMessage | ReasoningItem | FunctionCall
Part = OutputText | ReasoningText
Item = dict[str, Any]  # an item as JSON: of the input, or of an output that was stored
