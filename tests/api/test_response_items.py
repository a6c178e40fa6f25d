"""The input of a response: items of every kind that a text model can take."""

from typing import Any

import msgspec
import pytest

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.images import UNSEEN_IMAGE
from serve_daemon.api.messages import ChatMessage, ToolCall
from serve_daemon.api.response_conversation import SUMMARY, conversation
from serve_daemon.api.response_items import REFUSED, input_items, referenced, resolved
from serve_daemon.api.responses import ResponsesRequest, continued, responses_request
from serve_daemon.api.sealed import SealedConversation, SealedReasoning, sealed

HI = ChatMessage("user", "hi")
USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "found"}
CALLED = ToolCall("c1", "look", '{"at": 1}')
RESULT = ChatMessage("tool", "found", "look", tool_call_id="c1")
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "hm"}],
}
SAID = {
    "id": "msg_1",
    "type": "message",
    "status": "completed",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "x", "annotations": [], "logprobs": []}],
}


def messages_of(items: Any) -> list[ChatMessage]:
    return conversation(input_items(items, "input"))


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ("hi", [HI]),
        ("", [ChatMessage("user", "")]),
        ([USER], [HI]),
        ([{"type": "message", "role": "user", "content": "hi", "id": None}], [HI]),
        ([{"role": "user", "content": [{"type": "input_text", "text": t} for t in "hi"]}], [HI]),
        ([{"role": "developer", "content": "be nice"}], [ChatMessage("developer", "be nice")]),
        ([SAID], [ChatMessage("assistant", "x")]),
        (
            [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
            [ChatMessage("assistant", "no")],
        ),
    ],
)
def test_messages_are_read(items: Any, messages: list[ChatMessage]) -> None:
    """A string, message items of all roles, and the output of an earlier response."""
    assert messages_of(items) == messages


@pytest.mark.parametrize(
    ("items", "messages"),
    [
        ([USER, CALL, OUTPUT], [HI, ChatMessage("assistant", "", tool_calls=[CALLED]), RESULT]),
        (
            [USER, THOUGHT, SAID, CALL, OUTPUT],
            [HI, ChatMessage("assistant", "x", reasoning="hm", tool_calls=[CALLED]), RESULT],
        ),
        (
            [CALL, {**CALL, "call_id": "c2"}, OUTPUT, {**OUTPUT, "call_id": "c2"}],
            [
                ChatMessage(
                    "assistant", "", tool_calls=[CALLED, ToolCall("c2", "look", '{"at": 1}')]
                ),
                RESULT,
                ChatMessage("tool", "found", "look", tool_call_id="c2"),
            ],
        ),
        (
            [CALL, OUTPUT, THOUGHT, SAID],
            [
                ChatMessage("assistant", "", tool_calls=[CALLED]),
                RESULT,
                ChatMessage("assistant", "x", reasoning="hm"),
            ],
        ),
        ([SAID, SAID], [ChatMessage("assistant", "x\n\nx")]),
        (
            [SAID, THOUGHT, SAID],
            [ChatMessage("assistant", "x"), ChatMessage("assistant", "x", reasoning="hm")],
        ),
        (
            [CALL, SAID],
            [
                ChatMessage("assistant", "", tool_calls=[CALLED]),
                ChatMessage("assistant", "x"),
            ],
        ),
        ([THOUGHT], [ChatMessage("assistant", "", reasoning="hm")]),
    ],
)
def test_what_a_model_did_in_a_turn_is_one_message(items: Any, messages: list[ChatMessage]) -> None:
    """Its reasoning, its text and its calls; results follow the calls."""
    assert messages_of(items) == messages


@pytest.mark.parametrize(
    ("item", "reasoning"),
    [
        ({"summary": [{"type": "summary_text", "text": "in short"}]}, "in short"),
        ({"summary": [], "content": None, "encrypted_content": None}, ""),
        ({"summary": [], "encrypted_content": sealed(SealedReasoning("as it was"))}, "as it was"),
        ({**THOUGHT, "encrypted_content": "gAAAAA of another server"}, "hm"),
    ],
)
def test_reasoning_is_read_from_what_there_is(item: dict[str, Any], reasoning: str) -> None:
    """The content, else what this server has sealed, else the summary."""
    (message,) = messages_of([{"type": "reasoning", **item}, SAID])
    assert message == ChatMessage("assistant", "x", reasoning=reasoning)


@pytest.mark.parametrize("place", ["content", "output"])
def test_a_text_model_is_told_of_an_image(place: str) -> None:
    """Open Responses has images in what is said; what can't be seen is no reason to fail."""
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
    ]
    item = {"role": "user", "content": parts} if place == "content" else {**OUTPUT, "output": parts}
    assert messages_of([CALL, item])[-1].content == "What is it?" + UNSEEN_IMAGE


def test_a_compaction_is_read_back() -> None:
    """What was said before stands in its summary; the items that were kept follow it."""
    content = sealed(SealedConversation("they met", [USER, CALL, OUTPUT]))
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": content}
    assert messages_of([compaction, {"role": "user", "content": "go on"}]) == [
        ChatMessage("system", f"{SUMMARY}they met"),
        HI,
        ChatMessage("assistant", "", tool_calls=[CALLED]),
        RESULT,
        ChatMessage("user", "go on"),
    ]


MESSAGE = "input[0].content[0]"


@pytest.mark.parametrize(
    ("items", "param"),
    [
        (1, "input"),
        ([], "input"),
        (["hi"], "input[0]"),
        ([{"type": 1}], "input[0].type"),
        ([{"type": "answer"}], "input[0].type"),
        ([{"content": "hi"}], "input[0].role"),
        ([{"role": "tool", "content": "hi"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{**USER, "mood": "good"}], "input[0].mood"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}]}], f"{MESSAGE}.type"),
        ([{"role": "user", "content": [{"type": "input_file"}]}], f"{MESSAGE}.type"),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], f"{MESSAGE}.type"),
        ([{"role": "user", "content": [{"type": "input_image"}]}], f"{MESSAGE}.image_url"),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}],
            f"{MESSAGE}.image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}],
            f"{MESSAGE}.file_id",
        ),
        ([{"type": "function_call", "call_id": "c", "name": "f"}], "input[0].arguments"),
        ([OUTPUT], "input[0].call_id"),
        ([USER, {"type": "item_reference", "id": "msg_1"}], "input[1].id"),
        (
            [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}],
            "input[0].encrypted_content",
        ),
        ([{"type": "compaction", "encrypted_content": "sd1.!"}], "input[0].encrypted_content"),
        (
            [{"type": "compaction", "encrypted_content": sealed(SealedReasoning("x"))}],
            "input[0].encrypted_content",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_path(items: Any, param: str) -> None:
    """And so is what no text model can take."""
    with pytest.raises(InvalidRequest) as refused:
        messages_of(items)
    assert refused.value.param == param


@pytest.mark.parametrize("kind", REFUSED)
def test_items_of_other_tools_are_refused_with_the_reason(kind: str) -> None:
    """By their type."""
    with pytest.raises(InvalidRequest, match=REFUSED[kind]) as refused:
        messages_of([USER, {"type": kind, "id": "x"}])
    assert refused.value.param == "input[1].type"


def test_items_are_kept_as_they_are_listed() -> None:
    """Each with an id and a status, and the parts of its content; what is there stays."""
    message, call, output, thought = (
        read.item for read in input_items([USER, CALL, {**OUTPUT, "id": "mine"}, THOUGHT], "input")
    )
    assert message["content"] == [{"type": "input_text", "text": "hi"}]
    assert message["status"] == call["status"] == output["status"] == "completed"
    assert message["id"].startswith("msg_")
    assert call["id"].startswith("fc_")
    assert output["id"] == "mine"
    assert thought == THOUGHT


def request(**fields: Any) -> ResponsesRequest:
    return responses_request({"model": "m", "input": [USER], **fields})


def test_what_goes_on_from_a_response_has_its_messages_later() -> None:
    """The instructions are those of this request; the earlier items come after them."""
    wanted = request(previous_response_id="resp_1", instructions="be brief")
    assert (wanted.needs_history, wanted.messages) == (True, [])
    complete = continued(wanted, [CALL, OUTPUT, SAID], {})
    assert [message.role for message in complete.messages] == [
        "system",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert complete.earlier_items == [CALL, OUTPUT, SAID]


def test_a_reference_stands_for_the_item() -> None:
    """That is found by its id, else the request is refused."""
    wanted = request(input=[{"id": "msg_1"}, {"type": "item_reference", "id": "rs_1"}, USER])
    assert wanted.references == referenced(wanted.input_items) == ["msg_1", "rs_1"]
    complete = continued(wanted, [], {"msg_1": SAID, "rs_1": THOUGHT})
    assert [message.content for message in complete.messages] == ["x", "", "hi"]
    assert complete.input_items[0] == SAID
    with pytest.raises(InvalidRequest) as refused:
        resolved(wanted.input_items, {"msg_1": SAID})
    assert refused.value.param == "input[1].id"


def test_what_is_sealed_is_read_back() -> None:
    """Whatever text is in it."""
    items = [{"role": "user", "content": "é😀\x00"}]
    compaction = {"type": "compaction", "encrypted_content": sealed(SealedConversation("", items))}
    body = msgspec.json.encode({"model": "m", "input": [compaction]})
    assert responses_request(msgspec.json.decode(body)).messages == [ChatMessage("user", "é😀\x00")]
