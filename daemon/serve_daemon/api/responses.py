"""The request of POST /v1/responses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import field

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.fields import Field, Table, boolean, group, integer, only, read_object, text
from serve_daemon.api.logprobs import INCLUDED_LOGPROBS, check_top_logprobs
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.output_format import TEXT, structured_outputs
from serve_daemon.api.requests import PARALLEL_CALLS, SHARED, GenerationRequest, decode_body
from serve_daemon.api.response_conversation import conversation
from serve_daemon.api.response_items import (
    InputItem,
    input_item,
    input_items,
    referenced,
    resolved,
)
from serve_daemon.api.response_output import Item
from serve_daemon.api.response_settings import (
    INCLUDED_REASONING,
    REASONING_SETTINGS,
    STREAM_SETTINGS,
    TEXT_SETTINGS,
    client_metadata,
    included,
)
from serve_daemon.api.sampling import MAX_TOKENS
from serve_daemon.api.tool_choice import check_tool_choice, responses_tool_choice
from serve_daemon.api.tools import AUTO, responses_tools
from serve_daemon.api.verbosity import with_verbosity

# What makes a conversation; /v1/responses/input_tokens and /compact have these fields too.
CONVERSATION: Table = {
    "input": Field(input_items, "input", required=True),
    "instructions": Field(text, "instructions"),
    "previous_response_id": Field(text, "previous_response_id"),
    "conversation": Field(
        only(reason="no conversations are kept; 'previous_response_id' goes on with a response")
    ),
}
# What is told to the model beside it.
TOLD: Table = {
    "tools": Field(responses_tools, "tools"),
    "tool_choice": Field(responses_tool_choice, "tool_choice"),
    "parallel_tool_calls": PARALLEL_CALLS,
    "text": Field(group(TEXT_SETTINGS), "text"),
    "reasoning": Field(group(REASONING_SETTINGS), "reasoning"),
    "truncation": Field(only("disabled", "auto"), "truncation"),
}
CACHE_RETENTION = Field(
    only("in_memory", "24h"),
    "prompt_cache_retention",
    note="prompts are kept for as long as there is room",
)
RESPONSES: Table = {
    **SHARED,
    **CONVERSATION,
    **TOLD,
    "structured_outputs": Field(structured_outputs, "structured_outputs"),
    "max_output_tokens": Field(integer(1, MAX_TOKENS), "max_tokens"),
    "max_tool_calls": Field(
        integer(1, MAX_TOKENS), "max_tool_calls", note="calls beyond it are left out"
    ),
    "stream_options": Field(group(STREAM_SETTINGS), "stream_options"),
    "include": Field(included, "include"),
    "store": Field(boolean, "store"),
    "background": Field(boolean, "background"),
    "prompt_cache_retention": CACHE_RETENTION,
    "background_options": Field(
        only({}, {"completion_window": "soonest"}, reason="responses come as soon as they can")
    ),
    "context_management": Field(
        only([], reason="'truncation' drops what is oldest; POST /v1/responses/compact sums it up")
    ),
    "image": Field(only({}, {"context_compression": "auto"}, reason="models read text only")),
    "access_programs": Field(only({})),
    "client_metadata": Field(client_metadata, note="what a client says of itself, as Codex does"),
    "prompt": Field(only(reason="no prompts are kept; send the text in 'instructions'")),
}


class ResponsesRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of POST /v1/responses.

    Where it goes on from what is kept (`needs_history`), its messages are there only after
    `continued`.
    """

    messages_field: ClassVar[str] = "input"
    effort_field: ClassVar[str] = "reasoning.effort"

    instructions: str | None = None
    # The items of `input`, each with an id: as they are kept and listed.
    input_items: list[Item] = field(default_factory=list)
    # Those of the responses that it goes on from, and of what these have put out.
    earlier_items: list[Item] = field(default_factory=list)
    previous_response_id: str | None = None
    store: bool | None = None  # None: as it is configured
    background: bool = False
    max_tool_calls: int | None = None
    tool_choice_asked: Any = "auto"
    verbosity: str = "medium"
    summary: str | None = None  # of reasoning
    include: list[str] = field(default_factory=list)
    is_obfuscated: bool = False
    prompt_cache_retention: str | None = None

    @property
    def needs_history(self) -> bool:
        """Whether its input lacks items that only a store has."""
        return self.previous_response_id is not None or bool(self.references)

    @property
    def references(self) -> list[str]:
        """The ids of the items that its input refers to."""
        return referenced(self.input_items)

    @property
    def includes_sealed_reasoning(self) -> bool:
        return INCLUDED_REASONING in self.include


def read_responses_request(body: bytes) -> ResponsesRequest:
    """The request that `body` makes.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    return responses_request(decode_body(body))


def responses_request(value: Any) -> ResponsesRequest:
    """The request that a JSON value makes. Raises as `read_responses_request` does."""
    return make_request(RESPONSES, value)


def make_request(table: Table, value: Any) -> ResponsesRequest:
    """The request that a JSON value makes by `table`. Raises `InvalidRequest`."""
    attributes = read_object(table, value)
    items: list[InputItem] = attributes.pop("input", [])
    attributes |= _take_settings(attributes)
    attributes |= attributes.pop("stream_options", {})
    attributes["logprobs"] = INCLUDED_LOGPROBS in attributes.get("include", [])
    check_top_logprobs(attributes, f"'include' to have '{INCLUDED_LOGPROBS}'")
    attributes["tool_choice_asked"] = value.get("tool_choice") or "auto"
    request = ResponsesRequest(**attributes, input_items=[item.item for item in items])
    if request.needs_history:
        return request
    return msgspec.structs.replace(request, messages=_messages(request, items))


def _take_settings(attributes: dict[str, Any]) -> dict[str, Any]:
    """What the fields that are objects have in them, taken out of `attributes`."""
    settings: dict[str, Any] = attributes.pop("text", {}) | attributes.pop("reasoning", {})
    structured = attributes.pop("structured_outputs", TEXT)
    if structured.kind != "text":
        if settings.get("output_format", TEXT).kind != "text":
            message = "Invalid 'structured_outputs': 'text.format' says the form already."
            raise InvalidRequest(message, "structured_outputs", "invalid_value")
        settings["output_format"] = structured
    check_tool_choice(attributes.get("tools", []), attributes.get("tool_choice", AUTO))
    return settings


def continued(
    request: ResponsesRequest, earlier: Sequence[Item], found: Mapping[str, Item]
) -> ResponsesRequest:
    """The request with its messages: what came before it, and its own input.

    `earlier`: input and output of the responses before, in order; `found`: the items of
    `references`, by id. Raises `InvalidRequest` for a reference that is not in `found`, and where
    the items don't fit together.
    """
    own = resolved(request.input_items, found)
    items = _read(earlier, "previous_response_id") + _read(own, "input")
    messages = _messages(request, items)
    return msgspec.structs.replace(
        request, messages=messages, input_items=own, earlier_items=list(earlier)
    )


def _read(items: Sequence[Item], path: str) -> list[InputItem]:
    return [input_item(item, f"{path}[{index}]") for index, item in enumerate(items)]


def _messages(request: ResponsesRequest, items: Iterable[InputItem]) -> list[ChatMessage]:
    messages = conversation(items)
    if request.instructions:
        messages = [ChatMessage("system", request.instructions), *messages]
    return with_verbosity(messages, request.verbosity)
