"""Bodies of /v1/messages: what is honoured, let through, or refused by name."""

from typing import Any

import msgspec
import pytest

from serve_daemon.api.anthropic import MessagesRequest, read_count_request, read_messages_request
from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.messages import ChatMessage, ToolCall

ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "hi"}],
}
TOOL = {"name": "f", "description": "does", "input_schema": {"type": "object"}}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def read(**fields: Any) -> MessagesRequest:
    return read_messages_request(msgspec.json.encode({**ASK, **fields}))


def text(said: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **fields}


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([{"role": "user", "content": "hi"}], [ChatMessage("user", "hi")]),
        ([{"role": "user", "content": [text("a", **CACHED), text("b")]}], "a\nb"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "a\nb"),
        ([{"role": "user", "content": []}], ""),
        (
            [
                {"role": "user", "content": "go"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "x"},
                        {"type": "redacted_thinking", "data": "x"},
                        text("so", citations=None),
                        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "t1", "content": [text("42")]},
                        text("well?"),
                    ],
                },
            ],
            [
                ChatMessage("user", "go"),
                ChatMessage(
                    "assistant", "so", reasoning="hm", tool_calls=[ToolCall("t1", "f", '{"a":1}')]
                ),
                ChatMessage("tool", "42", name="f", tool_call_id="t1"),
                ChatMessage("user", "well?"),
            ],
        ),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": True}],
                }
            ],
            [ChatMessage("tool", "Error: ", tool_call_id="t")],
        ),
    ],
)
def test_turns_are_messages(turns: list[Any], expected: list[ChatMessage] | str) -> None:
    """Blocks of text are lines, results of tools are messages of their own."""
    messages = [ChatMessage("user", expected)] if isinstance(expected, str) else expected
    assert read(messages=turns).messages == messages


@pytest.mark.parametrize("system", ["be brief", [text("be", **CACHED), text("brief")]])
def test_a_system_prompt_comes_first(system: Any) -> None:
    """As a string, or as blocks."""
    [first, _] = read(system=system).messages
    assert first.role == "system"
    assert first.content.split() == ["be", "brief"]


def test_an_answer_that_has_begun_goes_on() -> None:
    """The last message is the model's; one that called a tool is over."""
    begun = [*ASK["messages"], {"role": "assistant", "content": "He"}]
    request = read(messages=begun)
    assert (request.continue_final_message, request.add_generation_prompt) == (True, False)
    request = read()
    assert (request.continue_final_message, request.add_generation_prompt) == (False, True)


def test_what_is_honoured_is_in_the_request() -> None:
    """Under the names that the other endpoints have for it."""
    request = read(
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop_sequences=["x"],
        stream=True,
        metadata={"user_id": "u"},
        tools=[TOOL],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
        output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}},
    )
    assert (request.temperature, request.top_p, request.top_k) == (0.5, 0.9, 3)
    assert (request.stop, request.stream, request.user) == (["x"], True, "u")
    assert [tool.name for tool in request.tools] == ["f"]
    assert (request.tool_choice.mode, request.parallel_tool_calls) == ("required", False)
    assert (request.thinking, request.thinking_budget) == (True, 1024)
    assert not request.is_thinking_shown
    assert request.output_format.kind == "json_schema"


@pytest.mark.parametrize(
    "fields",
    [
        {"service_tier": "standard_only"},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        {"cache_control": {"type": "ephemeral"}},
        {"speed": "standard", "container": None, "inference_geo": None},
        {"mcp_servers": [], "context_management": {"edits": []}},
        {"metadata": {}, "tools": [], "tool_choice": {"type": "auto"}},
    ],
)
def test_a_neutral_value_is_never_a_reason_to_refuse(fields: dict[str, Any]) -> None:
    """It asks for what is done anyway."""
    assert read(**fields).model == "m"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
            "messages[0].content[0].type",
        ),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"temperature": 1.5}, "temperature"),
        ({"seed": 1}, "seed"),
        ({"service_tier": "priority"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"container": "x"}, "container"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"effort": "heroic"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    """Never ignored."""
    with pytest.raises(InvalidRequest) as refused:
        read(**fields)
    assert refused.value.param == param
    assert param in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "thinking", "effort"),
    [
        ({}, None, None),
        ({"thinking": {"type": "adaptive"}}, None, None),
        ({"thinking": {"type": "disabled"}}, False, None),
        ({"output_config": {"effort": "high"}}, None, None),
        ({"output_config": {"effort": "low"}}, None, "low"),
    ],
)
def test_how_much_a_model_is_to_think(
    fields: dict[str, Any], thinking: bool | None, effort: str | None
) -> None:
    """As it does by itself, unless the client says otherwise."""
    request = read(**fields)
    assert (request.thinking, request.reasoning_effort) == (thinking, effort)


def test_counting_asks_for_no_answer() -> None:
    """Its body has what makes the prompt alone."""
    body = {name: value for name, value in ASK.items() if name != "max_tokens"}
    request = read_count_request(msgspec.json.encode({**body, "tools": [TOOL]}))
    assert request.messages == [ChatMessage("user", "hi")]
    with pytest.raises(InvalidRequest, match="max_tokens"):
        read_count_request(msgspec.json.encode(ASK))
