"""Which tools may be called, or must, in the form of each endpoint."""

from collections.abc import Callable
from typing import Any

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.tool_choice import (
    anthropic_tool_choice,
    chat_tool_choice,
    check_tool_choice,
    function_call_choice,
    responses_tool_choice,
)
from serve_daemon.api.tools import FunctionTool, ToolChoice

Read = Callable[[Any, str], ToolChoice]

NESTED = {"type": "function", "function": {"name": "look"}}
FLAT = {"type": "function", "name": "look"}
LOOK = FunctionTool("look")


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (chat_tool_choice, "none", ToolChoice("none")),
        (chat_tool_choice, "auto", ToolChoice("auto")),
        (chat_tool_choice, "required", ToolChoice("required")),
        (chat_tool_choice, NESTED, ToolChoice("required", ["look"])),
        (
            chat_tool_choice,
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NESTED]}},
            ToolChoice("auto", ["look"]),
        ),
        (responses_tool_choice, "required", ToolChoice("required")),
        (responses_tool_choice, FLAT, ToolChoice("required", ["look"])),
        (
            responses_tool_choice,
            {"type": "allowed_tools", "mode": "required", "tools": [FLAT]},
            ToolChoice("required", ["look"]),
        ),
        (anthropic_tool_choice, {"type": "auto"}, ToolChoice("auto")),
        (anthropic_tool_choice, {"type": "none"}, ToolChoice("none")),
        (
            anthropic_tool_choice,
            {"type": "any", "disable_parallel_tool_use": True},
            ToolChoice("required", is_single=True),
        ),
        (
            anthropic_tool_choice,
            {"type": "tool", "name": "look"},
            ToolChoice("required", ["look"]),
        ),
        (function_call_choice, "auto", ToolChoice("auto", is_single=True)),
        (function_call_choice, "none", ToolChoice("none", is_single=True)),
        (function_call_choice, {"name": "look"}, ToolChoice("required", ["look"], True)),
    ],
)
def test_choices_are_read(read: Read, value: Any, expected: ToolChoice) -> None:
    """A mode, or names with a mode."""
    assert read(value, "tool_choice") == expected


@pytest.mark.parametrize(
    ("read", "value", "param"),
    [
        (chat_tool_choice, "maybe", "tool_choice"),
        (chat_tool_choice, 1, "tool_choice"),
        (chat_tool_choice, {}, "tool_choice.type"),
        (chat_tool_choice, {"type": "custom", "custom": {"name": "x"}}, "tool_choice.type"),
        (chat_tool_choice, FLAT, "tool_choice.name"),
        (chat_tool_choice, {"type": "function"}, "tool_choice.function"),
        (
            chat_tool_choice,
            {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [NESTED]}},
            "tool_choice.allowed_tools.mode",
        ),
        (
            responses_tool_choice,
            {"type": "allowed_tools", "mode": "auto", "tools": []},
            "tool_choice.tools",
        ),
        (
            responses_tool_choice,
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]},
            "tool_choice.tools[0].type",
        ),
        (responses_tool_choice, {"type": "web_search"}, "tool_choice.type"),
        (anthropic_tool_choice, "auto", "tool_choice"),
        (anthropic_tool_choice, {"type": "required"}, "tool_choice.type"),
        (anthropic_tool_choice, {"type": "tool"}, "tool_choice.name"),
        (function_call_choice, "required", "tool_choice"),
        (function_call_choice, {}, "tool_choice.name"),
    ],
)
def test_bad_choices_are_refused_by_path(read: Read, value: Any, param: str) -> None:
    """Hosted tools among them."""
    with pytest.raises(InvalidRequest) as refused:
        read(value, "tool_choice")
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("tools", "choice", "words"),
    [
        ([], ToolChoice("required"), "only allowed when 'tools' are specified"),
        ([], ToolChoice("required", ["look"]), "only allowed when 'tools' are specified"),
        ([LOOK], ToolChoice("required", ["wait"]), "'wait' not found in 'tools'"),
        ([LOOK], ToolChoice("auto", ["look", "wait"]), "'wait' not found in 'tools'"),
    ],
)
def test_a_choice_that_the_tools_can_not_fulfil_is_refused(
    tools: list[FunctionTool], choice: ToolChoice, words: str
) -> None:
    """By the name of the field that makes it; one that asks for nothing can be fulfilled."""
    for fulfilled in (ToolChoice(), ToolChoice("none")):
        check_tool_choice(tools, fulfilled)
    with pytest.raises(InvalidRequest, match=words) as refused:
        check_tool_choice(tools, choice)
    assert refused.value.param == "tool_choice"
