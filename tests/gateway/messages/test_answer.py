"""Pieces of an answer as blocks of Anthropic's Messages API."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from serve_daemon.api.anthropic import MessagesRequest
from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.gateway.messages.answer import MessagesAnswer, arguments_of, blocks_of
from serve_daemon.wire.messages import Finish

PIECES: list[Piece] = [
    Reasoning("hm"),
    Reasoning(", yes"),
    Text("so"),
    Text(" be it"),
    CallBegins(0, "call_1", "f"),
    CallArguments(0, '{"a":'),
    CallArguments(0, "1}"),
    CallEnds(0),
    CallBegins(1, "call_2", "g"),
    CallEnds(1),
]
BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm, yes"},
    {"type": "text", "text": "so be it"},
    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
    {"type": "tool_use", "id": "call_2", "name": "g", "input": {}},
]


def answer(**fields: Any) -> MessagesAnswer:
    """Of a request with these fields, whose completion has come to its end."""
    completion = SimpleNamespace(
        prompt_tokens=9,
        cached_tokens=4,
        completion_tokens=7,
        reasoning_tokens=2,
        stop_string=None,
        finish_reason=Finish.STOP,
    )
    return MessagesAnswer(MessagesRequest(model="m", **fields), cast("Completion", completion))


def events(told: MessagesAnswer) -> list[dict[str, Any]]:
    """All events of a stream, but for pings."""
    frames = [*told.begin(), *told.tell(PIECES[:3]), *told.tell(PIECES[3:]), *told.end()]
    read = [msgspec.json.decode(frame.serialize().split(b"data: ")[1]) for frame in frames]
    return [event for event in read if event["type"] != "ping"]


def rebuilt(stream: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks that a client makes of the events."""
    blocks: list[dict[str, Any]] = []
    for event in stream:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            for ours, theirs in (("partial_json", "json"), ("text", "text")):
                block[theirs] = block.get(theirs, "") + delta.get(ours, "")
            block["thinking"] = block.get("thinking", "") + delta.get("thinking", "")
            block["signature"] = delta.get("signature", block.get("signature", ""))
    return blocks


def test_pieces_are_blocks() -> None:
    """Those of one kind that follow each other are one; each call is one of its own."""
    blocks: list[dict[str, Any]] = msgspec.to_builtins(blocks_of(PIECES))
    assert [{**block, **expected} for block, expected in zip(blocks, BLOCKS, strict=True)] == blocks
    assert blocks[0]["signature"]


def test_a_stream_tells_the_same_blocks() -> None:
    """Numbered, each begun and ended once, and thoughts signed."""
    stream = events(answer())
    blocks = rebuilt(stream)
    assert [block["type"] for block in blocks] == [block["type"] for block in BLOCKS]
    assert (blocks[0]["thinking"], blocks[1]["text"]) == ("hm, yes", "so be it")
    assert blocks[0]["signature"]
    assert msgspec.json.decode(blocks[2]["json"]) == {"a": 1}
    begun = [event["index"] for event in stream if event["type"] == "content_block_start"]
    ended = [event["index"] for event in stream if event["type"] == "content_block_stop"]
    assert begun == ended == [0, 1, 2, 3]


def test_thoughts_that_are_not_to_be_shown_are_signed_alone() -> None:
    """In a stream, and in a whole message."""
    blocks = rebuilt(events(answer(is_thinking_shown=False)))
    assert (blocks[0]["type"], blocks[0]["thinking"]) == ("thinking", "")
    whole = msgspec.json.decode(answer(is_thinking_shown=False).whole(PIECES))
    assert whole["content"][0] == {
        "type": "thinking",
        "thinking": "",
        "signature": blocks[0]["signature"],
    }


@pytest.mark.parametrize(("marks_cache", "counts"), [(True, (5, 4)), (False, (9, 0))])
def test_the_usage_counts_what_was_cached_apart(marks_cache: bool, counts: tuple[int, int]) -> None:
    """At the begin and at the end of a stream, to who says where prompts may be cached."""
    first, *_, last, _stop = events(answer(marks_cache=marks_cache))
    for usage in (first["message"]["usage"], last["usage"]):
        assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == counts
        assert usage["output_tokens_details"] == {"thinking_tokens": 2}
    assert last["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("text", "arguments"), [("{}", {}), ('{"a": [1', {}), ('{"a":1}', {"a": 1})]
)
def test_arguments_that_were_cut_are_none(text: str, arguments: dict[str, Any]) -> None:
    """A whole message has no place for half of them."""
    assert arguments_of(text) == arguments
