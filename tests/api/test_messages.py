"""The messages of chat completions."""

from typing import Any

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.images import UNSEEN_IMAGE
from serve_daemon.api.messages import ChatMessage, ToolCall, chat_messages

HI = ChatMessage("user", "hi")
CALLED = {"name": "look", "arguments": '{"at": 1}'}
CALL = {"id": "call_1", "type": "function", "function": CALLED}


@pytest.mark.parametrize(
    ("messages", "read"),
    [
        ([{"role": "user", "content": "hi"}], [HI]),
        ([{"role": "user", "content": [{"type": "text", "text": "hi"}]}], [HI]),
        (
            [{"role": "user", "content": [{"type": "text", "text": t} for t in "hi"]}],
            [HI],
        ),
        ([{"role": "developer", "content": ""}], [ChatMessage("developer", "")]),
        ([{"role": "user", "content": "x", "name": "Ann"}], [ChatMessage("user", "x", "Ann")]),
        (
            [{"role": "assistant", "content": "x", "refusal": None, "tool_calls": []}],
            [ChatMessage("assistant", "x")],
        ),
        (
            [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
            [ChatMessage("assistant", "no")],
        ),
        (
            [{"role": "assistant", "content": None, "refusal": "no"}],
            [ChatMessage("assistant", "no")],
        ),
        (
            [{"role": "assistant", "content": "x", "reasoning_content": "so"}],
            [ChatMessage("assistant", "x", reasoning="so")],
        ),
        ([{"role": "user", "content": "hi", "tool_calls": None, "reasoning": None}], [HI]),
    ],
)
def test_chat_messages_are_read(messages: list[Any], read: list[ChatMessage]) -> None:
    """Strings and text parts of all roles."""
    assert chat_messages(messages, "messages") == read


@pytest.mark.parametrize(
    ("messages", "read"),
    [
        (
            [
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "content": "2", "tool_call_id": "call_1"},
            ],
            [
                ChatMessage("assistant", "", tool_calls=[ToolCall("call_1", **CALLED)]),
                ChatMessage("tool", "2", tool_call_id="call_1"),
            ],
        ),
        (
            [
                {"role": "assistant", "content": None, "function_call": CALLED},
                {"role": "function", "name": "look", "content": "2"},
            ],
            [
                ChatMessage("assistant", "", tool_calls=[ToolCall("call_look", **CALLED)]),
                ChatMessage("tool", "2", name="look", tool_call_id="call_look"),
            ],
        ),
    ],
)
def test_calls_and_their_results_are_read(messages: list[Any], read: list[ChatMessage]) -> None:
    """Also in the deprecated form, in which there are no ids."""
    assert chat_messages(messages, "messages") == read


def test_the_model_is_told_of_an_image() -> None:
    """It can't see it, which is no reason to fail."""
    shown = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    asked = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, shown]}
    assert chat_messages([asked], "m")[0].content == "What is it?" + UNSEEN_IMAGE


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("hi", "messages"),
        ([], "messages"),
        (["hi"], "messages[0]"),
        ([{"content": "hi"}], "messages[0].role"),
        ([{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ([{"role": 1, "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 1}], "messages[0].content"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "messages[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a.png"}}]}],
            "messages[0].content[0].image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        (
            [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{}]}],
            "messages[1].tool_calls[0].id",
        ),
        (
            [{"role": "assistant", "tool_calls": [CALL | {"type": "custom"}]}],
            "messages[0].tool_calls[0].type",
        ),
        (
            [{"role": "assistant", "tool_calls": [CALL | {"function": {"name": "look"}}]}],
            "messages[0].tool_calls[0].function.arguments",
        ),
        ([{"role": "assistant", "content": None}], "messages[0].content"),
        ([{"role": "assistant", "audio": {"id": "x"}}], "messages[0].audio"),
        ([{"role": "function", "content": "x"}], "messages[0].name"),
        ([{"role": "user", "content": "x", "mood": "good"}], "messages[0].mood"),
    ],
)
def test_bad_chat_messages_are_refused_by_path(messages: Any, param: str) -> None:
    """Audio, and images that are none, among them."""
    with pytest.raises(InvalidRequest) as refused:
        chat_messages(messages, "messages")
    assert refused.value.param == param
