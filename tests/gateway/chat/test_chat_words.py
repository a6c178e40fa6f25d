"""How pieces of an answer are told in the words of Chat Completions."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from serve_daemon.api.chat_completions import ChatRequest, read_chat_request
from serve_daemon.gateway.chat.chat_completions import ChatReply
from serve_daemon.gateway.chat.choice_answers import OneAnswer
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.gateway.http.frames import BLOCK_BYTES
from serve_daemon.wire.messages import Finish

FUNCTION = {"name": "f"}
TOOLS = [{"type": "function", "function": FUNCTION}]
CALLS: list[Piece] = [
    CallBegins(0, "call_1", "f"),
    CallArguments(0, '{"a"'),
    CallArguments(0, ": 1}"),
    CallEnds(0),
    CallBegins(1, "call_2", "f"),
    CallArguments(1, "{}"),
    CallEnds(1),
]


def answer(finish: Finish = Finish.STOP, **fields: Any) -> OneAnswer[Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    request: ChatRequest = read_chat_request(msgspec.json.encode(body))
    completion: Any = SimpleNamespace(
        fingerprint="fp",
        finish_reason=finish,
        prompt_tokens=3,
        completion_tokens=4,
        cached_tokens=1,
        reasoning_tokens=2,
        take_logprobs=list,
    )
    return OneAnswer(ChatReply(request), completion)


def streamed(pieces: list[Piece], **fields: Any) -> Iterator[dict[str, Any]]:
    told = answer(stream=True, **fields)
    for event in (*told.begin(), *told.tell(pieces), *told.end()):
        yield msgspec.json.decode(event.serialize().removeprefix(b"data: "))


def deltas(pieces: list[Piece], **fields: Any) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in streamed(pieces, **fields)]


def whole(pieces: list[Piece], finish: Finish = Finish.STOP, **fields: Any) -> dict[str, Any]:
    reply = msgspec.json.decode(answer(finish, **fields).whole(pieces))
    [choice] = reply["choices"]
    return dict(choice)


def test_calls_are_in_the_message() -> None:
    """With no content where they are all that was said; with it where it was."""
    choice = whole(CALLS, tools=TOOLS)
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]
    assert whole([Text("so: "), *CALLS], tools=TOOLS)["message"]["content"] == "so: "
    assert whole(CALLS, Finish.LENGTH, tools=TOOLS)["finish_reason"] == "length"


def test_an_answer_without_calls_has_no_such_field() -> None:
    """Nor one of reasoning."""
    choice = whole([Text("a"), Text("b")], tools=TOOLS)
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {
        "role": "assistant",
        "content": "ab",
        "refusal": None,
        "annotations": [],
    }


def test_calls_are_streamed() -> None:
    """First the id, the name and no arguments, then their parts, each with the call's index."""
    first, begins, *parts, last = deltas(CALLS, tools=TOOLS)
    assert first == {"role": "assistant", "content": ""}
    assert begins == {
        "tool_calls": [
            {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": ""},
            }
        ]
    }
    assert parts[:2] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    assert parts[2]["tool_calls"][0]["id"] == "call_2"
    assert parts[3] == {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}
    assert last == {}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in streamed(CALLS, tools=TOOLS)]
    assert reasons == [None] * (len(reasons) - 1) + ["tool_calls"]


def test_the_deprecated_form_has_one_call() -> None:
    """Under its own names."""
    choice = whole(CALLS, functions=[FUNCTION])
    assert choice["finish_reason"] == "function_call"
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a": 1}'}
    assert "tool_calls" not in choice["message"]
    _, *parts, _ = deltas(CALLS, functions=[FUNCTION])
    assert parts == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ": 1}"}},
    ]


def test_reasoning_has_both_its_names() -> None:
    """Unless the client wants none of it."""
    pieces: list[Piece] = [Reasoning("h"), Reasoning("m"), Text("so")]
    message = whole(pieces)["message"]
    assert (message["reasoning_content"], message["reasoning"]) == ("hm", "hm")
    assert message["content"] == "so"
    assert deltas(pieces)[1:3] == [
        {"reasoning_content": "h", "reasoning": "h"},
        {"reasoning_content": "m", "reasoning": "m"},
    ]
    assert "reasoning" not in whole(pieces, include_reasoning=False)["message"]
    assert deltas(pieces, include_reasoning=False)[1:] == [{"content": "so"}, {}]


def test_the_usage_tells_what_was_cached_and_thought() -> None:
    """As OpenAI's details do."""
    usage = msgspec.json.decode(answer().whole([]))["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 1
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 4, 7)


@pytest.mark.parametrize("text", ["", "a", "a" * 40, "\N{GRINNING FACE}", '"'])
def test_lengths_of_obfuscated_events_tell_little(text: str) -> None:
    """Each is of whole blocks, and says the same but for its noise."""
    options = {"include_obfuscation": True}
    told = answer(stream=True, stream_options=options)
    [*begin] = told.begin()
    [event] = told.tell([Text(text)])
    frame = event.serialize()
    assert len(frame) % BLOCK_BYTES == 0
    chunk = msgspec.json.decode(frame.removeprefix(b"data: "))
    assert chunk["choices"][0]["delta"] == {"content": text}
    assert isinstance(chunk["obfuscation"], str)
    assert len(begin) == 1
