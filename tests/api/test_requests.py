"""Whole bodies of both endpoints: what is honoured, let through, or refused by name."""

import re
import typing
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from openai.types.chat import completion_create_params as openai_chat
from openai.types.responses import response_create_params as openai_responses

from serve_daemon.api.chat_completions import CHAT_COMPLETIONS, read_chat_request
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.output_format import FORMAT_FIELDS
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.api.responses import RESPONSES, read_responses_request

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSE: dict[str, Any] = {"model": "m", "input": "hi"}

EXTENSIONS = {
    "top_k",
    "min_p",
    "typical_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "stop",
    "stop_token_ids",
    "ignore_eos",
    "min_tokens",
    "bad_words",
    "allowed_token_ids",
    *FORMAT_FIELDS,
    "include_reasoning",
    "chat_template_kwargs",
    "add_generation_prompt",
    "continue_final_message",
    "client_metadata",
}


def chat(**fields: Any) -> GenerationRequest:
    return read_chat_request(msgspec.json.encode({**CHAT, **fields}))


def responses(**fields: Any) -> GenerationRequest:
    return read_responses_request(msgspec.json.encode({**RESPONSE, **fields}))


Read = Callable[..., GenerationRequest]


@pytest.mark.parametrize(
    ("table", "reference"),
    [
        (CHAT_COMPLETIONS, openai_chat.CompletionCreateParamsStreaming),
        (RESPONSES, openai_responses.ResponseCreateParamsStreaming),
    ],
)
def test_every_field_of_openais_reference_is_known(table: dict[str, Any], reference: Any) -> None:
    """The SDK's own types are the reference; what is ours beside it is listed here."""
    known = set(typing.get_type_hints(reference))
    assert known <= set(table)
    assert set(table) - known <= EXTENSIONS


BOTH_NEUTRAL = {
    "store": False,
    "stream": False,
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "metadata": {"a": "b"},
    "user": "somebody",
    "safety_identifier": "x",
    "prompt_cache_key": "x",
    "service_tier": "auto",
    "top_logprobs": 0,
    "moderation": None,
    "prompt_cache_retention": "in_memory",
}
CHAT_NEUTRAL = BOTH_NEUTRAL | {
    "n": 1,
    "logprobs": False,
    "logit_bias": {},
    "presence_penalty": 0,
    "frequency_penalty": 0.0,
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "function_call": "none",
    "functions": [],
    "stop": None,
    "seed": None,
    "audio": None,
    "verbosity": "medium",
    "reasoning_effort": None,
    "stream_options": None,
    "web_search_options": None,
}
RESPONSES_NEUTRAL = BOTH_NEUTRAL | {
    "tool_choice": "none",
    "truncation": "disabled",
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "reasoning": {"effort": None, "summary": None},
    "include": [],
    "background": False,
    "previous_response_id": None,
    "conversation": None,
    "max_tool_calls": 3,
    "prompt": None,
    "stream_options": {"include_obfuscation": False},
    "service_tier": "default",
    "client_metadata": {"installation": "x"},
}


@pytest.mark.parametrize(
    ("read", "name", "value"),
    [(chat, *item) for item in CHAT_NEUTRAL.items()]
    + [(responses, *item) for item in RESPONSES_NEUTRAL.items()],
)
def test_a_neutral_value_is_never_a_reason_to_refuse(read: Read, name: str, value: Any) -> None:
    """It asks for what is done anyway."""
    assert read(**{name: value}).model == "m"


@pytest.mark.parametrize(
    ("read", "fields", "param"),
    [
        (chat, {"n": 0}, "n"),
        (chat, {"n": 129}, "n"),
        (chat, {"logprobs": 1}, "logprobs"),
        (chat, {"top_logprobs": 2}, "top_logprobs"),
        (chat, {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        (chat, {"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
        (chat, {"response_format": {"type": "xml"}}, "response_format.type"),
        (chat, {"modalities": ["text", "audio"]}, "modalities"),
        (chat, {"tools": [{"type": "function"}]}, "tools[0].function"),
        (chat, {"tool_choice": "required"}, "tool_choice"),
        (chat, {"functions": [{}]}, "functions[0].name"),
        (chat, {"function_call": {"name": "f"}}, "function_call"),
        (chat, {"store": True}, "store"),
        (chat, {"service_tier": "priority"}, "service_tier"),
        (chat, {"reasoning_effort": "highest"}, "reasoning_effort"),
        (chat, {"verbosity": "none"}, "verbosity"),
        (chat, {"web_search_options": {}}, "web_search_options"),
        (chat, {"chat_template_kwargs": []}, "chat_template_kwargs"),
        (chat, {"chat_template_kwargs": {"tools": []}}, "chat_template_kwargs.tools"),
        (chat, {"prediction": {}}, "prediction"),
        (chat, {"stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
        (chat, {"stream_options": {"include_usage": True}}, "stream_options"),
        (chat, {"temperature": 2.1}, "temperature"),
        (chat, {"top_p": 0}, "top_p"),
        (chat, {"max_tokens": 0}, "max_tokens"),
        (chat, {"max_completion_tokens": "7"}, "max_completion_tokens"),
        (chat, {"top_k": -1}, "top_k"),
        (chat, {"seed": 2**64}, "seed"),
        (chat, {"model": None}, "model"),
        (chat, {"model": 1}, "model"),
        (chat, {"messages": None}, "messages"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    read: Read, fields: dict[str, Any], param: str
) -> None:
    """Never ignored."""
    with pytest.raises(InvalidRequest, match=re.escape(param)) as refused:
        read(**fields)
    assert refused.value.param == param


def test_what_is_honoured_is_in_the_request() -> None:
    """Under one name for both endpoints."""
    wanted = {"temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 7, "stop": "x", "stream": True}
    for request in (chat(max_tokens=5, **wanted), responses(max_output_tokens=5, **wanted)):
        assert request.temperature == 0
        assert (request.top_p, request.top_k, request.seed) == (0.5, 3, 7)
        assert (request.stop, request.stream, request.max_tokens) == (["x"], True, 5)


DRAWING: dict[str, Any] = {
    "min_p": 0.1,
    "typical_p": 0.9,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "stop_token_ids": [1, 2],
    "ignore_eos": True,
    "min_tokens": 4,
    "bad_words": ["one", " two"],
    "allowed_token_ids": [5, 6],
}


@pytest.mark.parametrize("read", [chat, responses])
def test_what_shapes_the_draw_is_in_the_request(read: Read) -> None:
    """Under the names that it came with; a bias is for a token, not for a string."""
    request = read(**DRAWING, logit_bias={"1": 5, "20": -100})
    assert {name: getattr(request, name) for name in DRAWING} == DRAWING
    assert request.logit_bias == {1: 5.0, 20: -100.0}


def test_log_probabilities_are_asked_for_in_each_endpoints_way() -> None:
    """None, each token's own, or the likeliest too."""
    asked = {"include": ["message.output_text.logprobs"]}
    for request, expected in [
        (chat(), (False, 0)),
        (chat(logprobs=True), (True, 0)),
        (chat(logprobs=True, top_logprobs=20), (True, 20)),
        (responses(include=[]), (False, 0)),
        (responses(**asked), (True, 0)),
        (responses(**asked, top_logprobs=5), (True, 5)),
    ]:
        assert (request.logprobs, request.top_logprobs) == expected


@pytest.mark.parametrize("read", [chat, responses])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"min_p": -0.1}, "min_p"),
        ({"min_p": 1.1}, "min_p"),
        ({"typical_p": 0}, "typical_p"),
        ({"typical_p": 1.1}, "typical_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"repetition_penalty": 101}, "repetition_penalty"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"presence_penalty": "1"}, "presence_penalty"),
        ({"frequency_penalty": -2.1}, "frequency_penalty"),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"logit_bias": {"one": 1}}, "logit_bias"),
        ({"logit_bias": {"-1": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"logit_bias": {"1": None}}, "logit_bias.1"),
        ({"logit_bias": {"9" * 5000: 1}}, "logit_bias." + "9" * 5000),
        ({"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"ignore_eos": 1}, "ignore_eos"),
        ({"stop_token_ids": 1}, "stop_token_ids"),
        ({"stop_token_ids": [1, -1]}, "stop_token_ids[1]"),
        ({"stop_token_ids": ["1"]}, "stop_token_ids[0]"),
        ({"stop_token_ids": list(range(129))}, "stop_token_ids"),
        ({"allowed_token_ids": [1, -1]}, "allowed_token_ids[1]"),
        ({"allowed_token_ids": list(range(1025))}, "allowed_token_ids"),
        ({"bad_words": "one"}, "bad_words"),
        ({"bad_words": ["one", ""]}, "bad_words[1]"),
        ({"bad_words": [1]}, "bad_words[0]"),
        ({"bad_words": ["one"] * 129}, "bad_words"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(
    read: Read, fields: dict[str, Any], param: str
) -> None:
    """In both endpoints."""
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param
    assert param in str(refused.value)


def test_the_newer_name_of_a_limit_wins() -> None:
    """max_tokens is deprecated."""
    assert chat(max_tokens=5, max_completion_tokens=7).max_tokens == 7


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\xed\xa0\x80"', b"[" * 10**6, b"NaN"])
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    """However deep or odd it is."""
    with pytest.raises(InvalidRequest) as refused:
        read_chat_request(body)
    assert refused.value.code == "invalid_json"
