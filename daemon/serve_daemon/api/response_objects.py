"""The response object of /v1/responses."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.output_format import OutputFormat
from serve_daemon.api.response_output import CompactionItem, OutputItem
from serve_daemon.api.tools import FunctionTool

Status = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0  # what is kept of a prompt costs nothing


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


class ReasoningSettings(Struct, frozen=True):
    effort: str | None = None
    summary: str | None = None


class FormatObject(Struct, frozen=True, kw_only=True):
    """The form of the text; all but its type belong to a JSON schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    schema: dict[str, Any] | bool | UnsetType = UNSET
    strict: bool | UnsetType = UNSET


class TextSettings(Struct, frozen=True):
    format: FormatObject = FormatObject()
    verbosity: str = "medium"


class ToolObject(Struct, frozen=True, kw_only=True):
    """A function that was offered."""

    type: Literal["function"] = "function"
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool


class Response(Struct, frozen=True, kw_only=True):
    """A response, whole or in the making; every key is always there."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    model: str
    output: list[OutputItem]
    usage: ResponseUsage | None = None
    instructions: str | None
    max_output_tokens: int | None
    temperature: float
    top_p: float
    metadata: dict[str, str]
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    parallel_tool_calls: bool
    tool_choice: str | dict[str, Any]
    max_tool_calls: int | None
    tools: list[ToolObject]
    text: TextSettings
    reasoning: ReasoningSettings
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    truncation: str
    service_tier: str = "default"
    store: bool
    background: bool
    previous_response_id: str | None
    conversation: None = None
    prompt: None = None


class Compaction(Struct, frozen=True, kw_only=True):
    """The reply of /v1/responses/compact."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[CompactionItem]
    usage: ResponseUsage


class InputTokens(Struct, frozen=True, kw_only=True):
    """The reply of /v1/responses/input_tokens."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


def format_object(form: OutputFormat) -> FormatObject:
    """The form as it is written back; those that OpenAI has not got are text of some form."""
    if form.kind != "json_schema":
        return FormatObject(type="json_object" if form.kind == "json_object" else "text")
    return FormatObject(
        type="json_schema",
        name=form.name,
        description=form.description or None,
        schema=form.schema,
        strict=form.strict,
    )


def tool_objects(tools: list[FunctionTool]) -> list[ToolObject]:
    """The tools as they are written back."""
    return [
        ToolObject(
            name=tool.name,
            description=tool.description or None,
            parameters=tool.parameters,
            strict=tool.strict,
        )
        for tool in tools
    ]
