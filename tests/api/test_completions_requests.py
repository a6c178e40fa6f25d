"""Bodies of POST /v1/completions: what is honoured, let through, or refused by name."""

import re
import typing
from typing import Any

import msgspec
import pytest
from openai.types import completion_create_params as openai_completions

from serve_daemon.api.completions import (
    COMPLETIONS,
    CompletionsRequest,
    read_completions_request,
)
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.prompt import MAX_PROMPTS

BODY: dict[str, Any] = {"model": "m", "prompt": "hi"}


def completions(**fields: Any) -> CompletionsRequest:
    return read_completions_request(msgspec.json.encode({**BODY, **fields}))


def test_every_field_of_openais_reference_is_known() -> None:
    """The SDK's own types are the reference."""
    reference = openai_completions.CompletionCreateParamsStreaming
    assert set(typing.get_type_hints(reference)) <= set(COMPLETIONS)


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("", [""]),
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([1.0], [[1]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_a_prompt_is_one_or_several(prompt: Any, prompts: Any) -> None:
    """Texts, or token ids."""
    assert completions(prompt=prompt).prompts == prompts


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (None, "prompt"),
        (1, "prompt"),
        ({}, "prompt"),
        ([], "prompt"),
        ([[]], "prompt[0]"),
        ([True], "prompt[0]"),
        ([None], "prompt[0]"),
        ([1, -1], "prompt[1]"),
        ([1, "x"], "prompt[1]"),
        (["x", 1], "prompt[1]"),
        (["x", [1]], "prompt[1]"),
        ([[1], "x"], "prompt[1]"),
        ([[1], [2, 2**31]], "prompt[1][1]"),
        (["x"] * (MAX_PROMPTS + 1), "prompt"),
    ],
)
def test_what_is_no_prompt_is_refused(prompt: Any, param: str) -> None:
    """By the place of what is wrong."""
    with pytest.raises(InvalidRequest, match=re.escape(param)) as refused:
        completions(prompt=prompt)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "attributes"),
    [
        ({}, {"max_tokens": 16, "n": 1, "logprobs": False, "echo": False}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 0, "echo": True}, {"max_tokens": 0, "echo": True}),
        ({"n": 3, "best_of": 3}, {"n": 3}),
        ({"logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
        ({"logprobs": 5}, {"logprobs": True, "top_logprobs": 5}),
        ({"add_special_tokens": False}, {"add_special_tokens": False}),
        ({"stop": "x", "top_k": 3, "ignore_eos": True}, {"stop": ["x"], "top_k": 3}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"suffix": "", "user": "u", "best_of": 1, "store": False}, {}),
    ],
)
def test_what_is_honoured_is_in_the_request(
    fields: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """With OpenAI's defaults for what is not said."""
    request = completions(**fields)
    assert {name: getattr(request, name) for name in attributes} == attributes


def test_an_answer_may_have_a_form() -> None:
    """Also without messages."""
    form = completions(structured_outputs={"regex": "a+"}).output_format
    assert (form.kind, form.pattern) == ("regex", "a+")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 129}, "n"),
        ({"n": 128, "prompt": ["x"] * 9}, "n"),
        ({"best_of": 2}, "best_of"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 1}, "top_logprobs"),
        ({"suffix": "end"}, "suffix"),
        ({"messages": []}, "messages"),
        ({"tools": [{}]}, "tools"),
        ({"stream_options": {}, "logit_bias": {"x": 1}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """Never ignored."""
    with pytest.raises(InvalidRequest, match=re.escape(param)) as refused:
        completions(**fields)
    assert refused.value.param == param
