"""The tools of a request, in the form of each endpoint."""

from collections.abc import Callable
from typing import Any

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.tools import (
    FunctionTool,
    anthropic_tools,
    chat_functions,
    chat_tools,
    responses_tools,
)

Read = Callable[[Any, str], list[FunctionTool]]

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
FUNCTION = {"name": "look", "description": "Looks.", "parameters": SCHEMA}
LOOK = FunctionTool("look", "Looks.", SCHEMA)


@pytest.mark.parametrize(
    ("read", "tool", "expected"),
    [
        (chat_tools, {"type": "function", "function": FUNCTION}, LOOK),
        (chat_tools, {"type": "function", "function": {"name": "w"}}, FunctionTool("w")),
        (
            chat_tools,
            {"type": "function", "function": {"name": "w", "strict": True, "parameters": None}},
            FunctionTool("w", strict=True),
        ),
        (chat_functions, FUNCTION, LOOK),
        (responses_tools, {"type": "function", **FUNCTION}, LOOK),
        (
            responses_tools,
            {"type": "function", **FUNCTION, "strict": True, "defer_loading": False},
            FunctionTool("look", "Looks.", SCHEMA, strict=True),
        ),
        (
            anthropic_tools,
            {
                "name": "look",
                "description": "Looks.",
                "input_schema": SCHEMA,
                "cache_control": {"type": "ephemeral"},
            },
            LOOK,
        ),
        (
            anthropic_tools,
            {"type": "custom", "name": "w", "input_schema": {}},
            FunctionTool("w", parameters={}),
        ),
    ],
)
def test_tools_are_read(read: Read, tool: Any, expected: FunctionTool) -> None:
    """Nested or flat, with as much as is said of them."""
    assert read([tool], "tools") == [expected]
    assert read([], "tools") == []


@pytest.mark.parametrize(
    ("read", "tools", "param", "words"),
    [
        (chat_tools, {}, "tools", "expected an array"),
        (chat_tools, ["look"], "tools[0]", "expected an object"),
        (chat_tools, [{"function": FUNCTION}], "tools[0].type", "Missing"),
        (chat_tools, [{"type": "function"}], "tools[0].function", "Missing"),
        (chat_tools, [{"type": "function", "function": {}}], "tools[0].function.name", "Missing"),
        (responses_tools, [{"type": "function"}], "tools[0].name", "Missing"),
        (responses_tools, [{"type": "function", "name": "a b"}], "tools[0].name", "pattern"),
        (responses_tools, [{"type": "function", "name": "a\n"}], "tools[0].name", "pattern"),
        (responses_tools, [{"type": "function", "name": ""}], "tools[0].name", "pattern"),
        (responses_tools, [{"type": "function", "name": "a" * 65}], "tools[0].name", "length 65"),
        (
            responses_tools,
            [{"type": "function", "name": "w", "parameters": {"type": "string"}}],
            "tools[0].parameters",
            "'type: \"object\"'",
        ),
        (responses_tools, [{"type": "function", **FUNCTION}] * 2, "tools[1]", "'look' already"),
        (
            responses_tools,
            [{"type": "function", **FUNCTION, "defer_loading": True}],
            "tools[0].defer_loading",
            "does not support",
        ),
        (anthropic_tools, [{"name": "w"}], "tools[0].input_schema", "Missing"),
        (chat_functions, [{"name": "w", "mood": "good"}], "tools[0].mood", "Unknown"),
    ],
)
def test_bad_tools_are_refused_by_path(read: Read, tools: Any, param: str, words: str) -> None:
    """In OpenAI's words, as far as it has them."""
    with pytest.raises(InvalidRequest, match=words) as refused:
        read(tools, "tools")
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("read", "kind", "why"),
    [
        (responses_tools, "web_search", "runs no tools"),
        (responses_tools, "web_search_preview_2025_03_11", "runs no tools"),
        (responses_tools, "code_interpreter", "runs no tools"),
        (responses_tools, "mcp", "runs no tools"),
        (responses_tools, "custom", "free text"),
        (responses_tools, "local_shell", "must be trained"),
        (chat_tools, "custom", "free text"),
        (chat_tools, "teapot", "knows functions"),
        (anthropic_tools, "web_search_20250305", "runs no tools"),
        (anthropic_tools, "bash_20250124", "must be trained"),
    ],
)
def test_tools_that_are_no_functions_are_refused_with_the_reason(
    read: Read, kind: str, why: str
) -> None:
    """By their type, whatever date it has."""
    with pytest.raises(InvalidRequest, match=why) as refused:
        read([{"type": kind, "name": "x"}], "tools")
    assert refused.value.param == "tools[0].type"
    assert refused.value.code == "unsupported_parameter"
