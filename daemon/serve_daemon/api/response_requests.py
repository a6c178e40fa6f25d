"""The requests of POST /v1/responses/input_tokens and /v1/responses/compact."""

from typing import Any

from serve_daemon.api.fields import Field, Table, group, missing, only, text
from serve_daemon.api.requests import SHARED, decode_body
from serve_daemon.api.response_items import input_items
from serve_daemon.api.response_settings import REASONING_SETTINGS, TEXT_SETTINGS
from serve_daemon.api.responses import (
    CACHE_RETENTION,
    CONVERSATION,
    TOLD,
    ResponsesRequest,
    make_request,
)

MODEL = Field(text, "model", required=True)
# An earlier response may be all that there is.
INPUT = Field(input_items, "input", note="required without 'previous_response_id'")

INPUT_TOKENS: Table = {
    "model": MODEL,
    **CONVERSATION,
    "input": INPUT,
    **TOLD,
    "personality": Field(only(reason="say it in 'instructions'")),
}
COMPACT: Table = {
    "model": MODEL,
    **CONVERSATION,
    "input": INPUT,
    "tools": TOLD["tools"],
    "parallel_tool_calls": TOLD["parallel_tool_calls"],
    "reasoning": Field(group(REASONING_SETTINGS), "reasoning"),
    "text": Field(
        group({**TEXT_SETTINGS, "format": Field(only({"type": "text"}))}),
        "text",
    ),
    "prompt_cache_key": SHARED["prompt_cache_key"],
    "prompt_cache_options": SHARED["prompt_cache_options"],
    "prompt_cache_retention": CACHE_RETENTION,
    "service_tier": SHARED["service_tier"],
    "image": Field(only({}, {"context_compression": "auto"}, reason="models read text only")),
}


def read_input_tokens_request(body: bytes) -> ResponsesRequest:
    """The request whose prompt is to be counted. Raises `InvalidRequest`."""
    return _read(INPUT_TOKENS, decode_body(body))


def read_compact_request(body: bytes) -> ResponsesRequest:
    """The request whose conversation is to be made short. Raises `InvalidRequest`."""
    return _read(COMPACT, decode_body(body))


def _read(table: Table, value: Any) -> ResponsesRequest:
    is_empty = isinstance(value, dict) and value.get("input") is None
    if is_empty and value.get("model") is not None and value.get("previous_response_id") is None:
        raise missing("input")
    return make_request(table, value)
