"""The request of POST /v1/responses."""

from typing import ClassVar

from serve_daemon.api.fields import Field, Table, group, integer, only, read_object, text
from serve_daemon.api.logprobs import INCLUDED_LOGPROBS, check_top_logprobs, included
from serve_daemon.api.messages import ChatMessage, input_messages
from serve_daemon.api.output_format import text_format
from serve_daemon.api.requests import (
    EMPTY_ARRAY,
    NOTHING,
    SHARED,
    GenerationRequest,
    decode_body,
)
from serve_daemon.api.sampling import MAX_TOKENS

TEXT_FORMAT: Table = {
    "format": Field(text_format, "output_format"),
    "verbosity": Field(only("medium")),
}
REASONING: Table = {
    "effort": Field(only("none")),
    "summary": NOTHING,
    "generate_summary": NOTHING,
    "context": Field(only("auto")),
    "mode": Field(only("standard")),
}

RESPONSES: Table = {
    **SHARED,
    "input": Field(input_messages, "input", required=True),
    "instructions": Field(text, "instructions"),
    "max_output_tokens": Field(integer(1, MAX_TOKENS), "max_tokens"),
    "max_tool_calls": Field(integer(1, MAX_TOKENS), "max_tool_calls"),  # there are no calls
    "text": Field(group(TEXT_FORMAT), "text"),
    "reasoning": Field(group(REASONING)),
    "truncation": Field(only("disabled")),
    "stream_options": Field(group({"include_obfuscation": Field(only(False))})),
    "include": Field(included, "logprobs"),
    "background": Field(only(False)),
    "background_options": Field(only({}, {"completion_window": "soonest"})),
    "context_management": EMPTY_ARRAY,
    "image": Field(only({}, {"context_compression": "auto"})),
    "access_programs": Field(only({})),
    "conversation": NOTHING,
    "previous_response_id": NOTHING,
    "prompt": NOTHING,
}


class ResponsesRequest(GenerationRequest, frozen=True, kw_only=True):
    """A good body of POST /v1/responses."""

    messages_field: ClassVar[str] = "input"

    instructions: str | None = None
    max_tool_calls: int | None = None


def read_responses_request(body: bytes) -> ResponsesRequest:
    """The request that `body` makes.

    Raises `InvalidRequest` for what is malformed or not supported.
    """
    attributes = read_object(RESPONSES, decode_body(body))
    check_top_logprobs(attributes, f"'include' to have '{INCLUDED_LOGPROBS}'")
    messages: list[ChatMessage] = attributes.pop("input")
    form = attributes.pop("text", {})
    if instructions := attributes.get("instructions"):
        messages = [ChatMessage("system", instructions), *messages]
    return ResponsesRequest(**attributes, **form, messages=messages)
