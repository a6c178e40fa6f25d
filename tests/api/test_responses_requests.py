"""Whole bodies of responses, and of the endpoints beside it."""

import re
from typing import Any

import msgspec
import pytest
from openai.types.responses import input_token_count_params, response_compact_params

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.response_requests import (
    COMPACT,
    INPUT_TOKENS,
    read_compact_request,
    read_input_tokens_request,
)
from serve_daemon.api.responses import ResponsesRequest, read_responses_request
from serve_daemon.api.verbosity import INSTRUCTIONS

RESPONSE: dict[str, Any] = {"model": "m", "input": "hi"}
HI = ChatMessage("user", "hi")
SCHEMA = {"type": "json_schema", "name": "s", "schema": {"type": "object"}}


def read(**fields: Any) -> ResponsesRequest:
    return read_responses_request(msgspec.json.encode({**RESPONSE, **fields}))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": "message.output_text.logprobs"}, "include"),
        ({"store": 1}, "store"),
        ({"background": "yes"}, "background"),
        ({"truncation": "middle"}, "truncation"),
        ({"previous_response_id": 1}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"include": ["file_search_call.results"]}, "include[0]"),
        ({"include": ["everything"]}, "include[0]"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
        ({"text": {"verbosity": "none"}}, "text.verbosity"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"reasoning": {"summary": "long"}}, "reasoning.summary"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice"),
        ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice.type"),
        ({"prompt_cache_retention": "1h"}, "prompt_cache_retention"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"input": None}, "input"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """Never ignored."""
    with pytest.raises(InvalidRequest, match=re.escape(param)) as refused:
        read(**fields)
    assert refused.value.param == param


def test_instructions_are_the_first_message() -> None:
    """As a system message; how long the answer should be is said after them."""
    assert read(instructions="be nice").messages == [ChatMessage("system", "be nice"), HI]
    assert read(instructions="be nice", text={"verbosity": "low"}).messages == [
        ChatMessage("system", "be nice"),
        ChatMessage("system", INSTRUCTIONS["low"]),
        HI,
    ]


def test_what_is_asked_for_is_in_the_request() -> None:
    """Under the names of all endpoints, or of responses alone."""
    request = read(
        text={"format": SCHEMA},
        reasoning={"effort": "low", "summary": "concise"},
        include=["reasoning.encrypted_content"],
        stream_options={"include_obfuscation": True},
        truncation="auto",
        store=False,
        max_tool_calls=2,
        previous_response_id="resp_1",
    )
    assert request.output_format.schema == {"type": "object"}
    assert (request.reasoning_effort, request.summary) == ("low", "concise")
    assert (request.includes_sealed_reasoning, request.logprobs) == (True, False)
    assert (request.is_obfuscated, request.truncation) == (True, "auto")
    assert (request.store, request.background, request.max_tool_calls) == (False, False, 2)
    assert request.previous_response_id == "resp_1"


def test_the_form_of_an_answer_is_said_once() -> None:
    """In the way of OpenAI, or in that of vLLM."""
    assert read(structured_outputs={"regex": "a+"}).output_format.pattern == "a+"
    with pytest.raises(InvalidRequest) as refused:
        read(structured_outputs={"regex": "a+"}, text={"format": SCHEMA})
    assert refused.value.param == "structured_outputs"


@pytest.mark.parametrize(
    ("table", "reference"),
    [
        (INPUT_TOKENS, input_token_count_params.InputTokenCountParams),
        (COMPACT, response_compact_params.ResponseCompactParams),
    ],
)
def test_every_field_of_openais_reference_is_known(table: dict[str, Any], reference: Any) -> None:
    """Of the endpoints beside /v1/responses too."""
    assert set(reference.__annotations__) <= set(table)


@pytest.mark.parametrize("read_body", [read_input_tokens_request, read_compact_request])
def test_an_earlier_response_may_be_all_of_the_input(read_body: Any) -> None:
    """Else something must be said."""
    request = read_body(msgspec.json.encode({"model": "m", "previous_response_id": "resp_1"}))
    assert (request.needs_history, request.input_items) == (True, [])
    for body, param in (({"model": "m"}, "input"), ({"input": "hi"}, "model"), ([], None)):
        with pytest.raises(InvalidRequest) as refused:
            read_body(msgspec.json.encode(body))
        assert refused.value.param == param
