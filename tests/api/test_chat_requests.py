"""Bodies of POST /v1/chat/completions: what their fields become in the request."""

from typing import Any

import msgspec
import pytest

from serve_daemon.api.chat_completions import ChatRequest, read_chat_request
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.messages import ChatMessage
from serve_daemon.api.tools import FunctionTool, ToolChoice

BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}
OPTION = "stream_options.continuous_usage_stats"
READ = FunctionTool("f", parameters={"type": "object"})


def chat(**fields: Any) -> ChatRequest:
    return read_chat_request(msgspec.json.encode({**BODY, **fields}))


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"),
    [
        ("n", 128, "n", 128),
        ("tools", [TOOL], "tools", [READ]),
        ("parallel_tool_calls", False, "parallel_tool_calls", False),
        ("reasoning_effort", "high", "reasoning_effort", "high"),
        ("include_reasoning", False, "include_reasoning", False),
        ("chat_template_kwargs", {"x": [1]}, "template_variables", {"x": [1]}),
        ("add_generation_prompt", False, "add_generation_prompt", False),
        ("continue_final_message", True, "continue_final_message", True),
        ("continue_final_message", True, "add_generation_prompt", False),
    ],
)
def test_a_field_is_in_the_request(name: str, value: Any, attribute: str, expected: Any) -> None:
    """By the name that it has there."""
    assert getattr(chat(**{name: value}), attribute) == expected


def test_functions_are_tools_of_which_one_may_be_called() -> None:
    """The deprecated fields become those of today."""
    offered = chat(functions=[FUNCTION])
    assert offered.uses_functions
    assert offered.tools == [READ]
    assert offered.tool_choice == ToolChoice("auto", is_single=True)
    named = chat(functions=[FUNCTION], function_call={"name": "f"})
    assert named.tool_choice == ToolChoice("required", ["f"], is_single=True)
    assert chat(functions=[FUNCTION], function_call="none").tool_choice.mode == "none"
    assert not chat(tools=[TOOL]).uses_functions


def test_verbosity_is_an_instruction_behind_those_of_the_client() -> None:
    """Medium is what a model does by itself."""
    system = {"role": "system", "content": "be kind"}
    messages = [system, *BODY["messages"]]
    assert chat(messages=messages, verbosity="medium").messages == [
        ChatMessage("system", "be kind"),
        ChatMessage("user", "hi"),
    ]
    brief = chat(messages=messages, verbosity="low").messages
    assert [message.role for message in brief] == ["system", "system", "user"]
    assert "brief" in brief[1].content
    assert [message.role for message in chat(verbosity="high").messages] == ["system", "user"]


def test_stream_options_are_for_streams() -> None:
    """Both of OpenAI's are honoured."""
    options = {"include_usage": True, "include_obfuscation": True}
    request = chat(stream=True, stream_options=options)
    assert request.include_usage
    assert request.include_obfuscation
    with pytest.raises(InvalidRequest, match="only allowed when 'stream'"):
        chat(stream_options=options)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL], "functions": [FUNCTION]}, "functions"),
        ({"functions": [FUNCTION], "function_call": {"name": "g"}}, "function_call"),
        ({"functions": [FUNCTION], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"continue_final_message": True, "add_generation_prompt": True}, "add_generation_prompt"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, OPTION),
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], param: str) -> None:
    """By the name of the field that is too much."""
    with pytest.raises(InvalidRequest) as refused:
        chat(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"modalities": ["text", "audio"]}, "text alone"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "text alone"),
        ({"prediction": {"type": "content", "content": "x"}}, "predicted"),
        ({"web_search_options": {}}, "runs no tools"),
        ({"store": True}, "/v1/responses"),
    ],
)
def test_a_refusal_has_its_reason(fields: dict[str, Any], reason: str) -> None:
    """In the words after the name of the field."""
    with pytest.raises(InvalidRequest, match=reason) as refused:
        chat(**fields)
    assert [refused.value.param] == list(fields)
