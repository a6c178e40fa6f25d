"""The messages of both endpoints."""

from typing import Any

import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.messages import ChatMessage, chat_messages, input_messages

HI = ChatMessage("user", "hi")
INPUT_TEXT = {"type": "input_text", "text": "hi"}


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
    ],
)
def test_chat_messages_are_read(messages: list[Any], read: list[ChatMessage]) -> None:
    """Strings and text parts of all roles."""
    assert chat_messages(messages, "messages") == read


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("hi", "messages"),
        ([], "messages"),
        (["hi"], "messages[0]"),
        ([{"content": "hi"}], "messages[0].role"),
        ([{"role": "tool", "content": "x"}], "messages[0].role"),
        ([{"role": 1, "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 1}], "messages[0].content"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
            "messages[0].content[0].type",
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], "messages[0].content[0].text"),
        (
            [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{}]}],
            "messages[1].tool_calls",
        ),
        ([{"role": "user", "content": "x", "mood": "good"}], "messages[0].mood"),
    ],
)
def test_bad_chat_messages_are_refused_by_path(messages: Any, param: str) -> None:
    """Images, audio and tools among them."""
    with pytest.raises(InvalidRequest) as refused:
        chat_messages(messages, "messages")
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("items", "read"),
    [
        ("hi", [HI]),
        ("", [ChatMessage("user", "")]),
        ([{"role": "user", "content": "hi"}], [HI]),
        (
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "hi"}],
                }
            ],
            [HI],
        ),
        (
            [
                {
                    "id": "msg_1",
                    "type": "message",
                    "status": "completed",
                    "role": "assistant",
                    "content": [
                        {"type": "output_text", "text": "x", "annotations": [], "logprobs": []}
                    ],
                }
            ],
            [ChatMessage("assistant", "x")],
        ),
    ],
)
def test_input_is_read(items: Any, read: list[ChatMessage]) -> None:
    """A string, message items, and the output of an earlier response."""
    assert input_messages(items, "input") == read


@pytest.mark.parametrize(
    ("items", "param"),
    [
        (1, "input"),
        ([], "input"),
        ([{"type": "function_call_output", "output": "x"}], "input[0].type"),
        ([{"type": "item_reference", "id": "x"}], "input[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}],
            "input[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
            "input[0].content[0].type",
        ),
    ],
)
def test_bad_input_is_refused_by_path(items: Any, param: str) -> None:
    """Items and parts that this version has not got."""
    with pytest.raises(InvalidRequest) as refused:
        input_messages(items, "input")
    assert refused.value.param == param
