"""How a response tells the pieces of an answer, whatever pieces they are."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.completions import FakeCompletion
from gateway.items.response_stream import check_stream
from gateway.items.told_responses import CALL, TOOL, answer_to, decoded, output_of, request, told
from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.common.pieces import (
    CallArguments,
    CallBegins,
    CallEnds,
    Piece,
    Reasoning,
    Text,
)
from serve_daemon.wire.messages import Finish

ERROR = ErrorBody("The engine went away.", "server_error", None, "engine_failed")

# ---------------------------------------------------------------- whatever comes

_words = st.text("ab \n", min_size=1, max_size=4)


@st.composite
def answers(draw: st.DrawFn) -> list[Piece]:
    """Pieces as parsers make them: calls are whole and numbered, and never within each other."""
    pieces: list[Piece] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=6)):
        if kind == "call":
            arguments = draw(st.lists(st.text('{"a:1}', max_size=3), max_size=3))
            pieces.append(CallBegins(calls, f"call_{calls}", "look"))
            pieces += [CallArguments(calls, part) for part in arguments]
            pieces.append(CallEnds(calls))
            calls += 1
        else:
            pieces.append(Text(draw(_words)) if kind == "text" else Reasoning(draw(_words)))
    return pieces


WISHES = {
    "tools": st.sampled_from([[], [TOOL]]),
    "reasoning": st.sampled_from(
        [None, *({"summary": s} for s in ("auto", "concise", "detailed"))]
    ),
    "max_tool_calls": st.sampled_from([None, 1, 2]),
    "stream_options": st.fixed_dictionaries({"include_obfuscation": st.booleans()}),
}


@settings(max_examples=150, deadline=None)
@given(pieces=answers(), is_cut=st.booleans(), wishes=st.fixed_dictionaries(WISHES))
def test_every_stream_keeps_the_rules(
    pieces: list[Piece], *, is_cut: bool, wishes: dict[str, Any]
) -> None:
    """And says the same as the whole reply, but for its ids."""
    wanted = request(**wishes)
    completion = FakeCompletion(Finish.LENGTH if is_cut else Finish.STOP)
    response = check_stream(told(answer_to(wanted, completion), pieces))
    whole = msgspec.json.decode(answer_to(wanted, completion).whole(pieces))
    assert _without_ids(whole) == _without_ids(response)
    assert response["status"] == ("incomplete" if is_cut else "completed")
    incomplete = [item for item in response["output"] if item["status"] == "incomplete"]
    assert incomplete in ([], response["output"][-1:])
    said = [item["content"][0]["text"] for item in response["output"] if item["type"] == "message"]
    spoken = "".join(piece.text for piece in pieces if isinstance(piece, Text))
    assert "".join("".join(said).split()) == "".join(spoken.split())


def _without_ids(response: dict[str, Any]) -> dict[str, Any]:
    output = [{**item, "id": ""} for item in response["output"]]
    times = {"created_at": 0, "completed_at": bool(response["completed_at"])}
    return {**response, "id": "", "output": output, **times}


# ---------------------------------------------------------------- what certain pieces make


def test_each_kind_of_piece_is_an_item_of_its_own() -> None:
    """In the order in which they came; space between them is none."""
    pieces: list[Piece] = [
        Reasoning("hm"),
        Text("\n\n"),
        Text("I look. "),
        *CALL,
        CallEnds(0),
        Text("\n"),
    ]
    reasoning, message, call = output_of(pieces)
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert message["content"][0]["text"] == "I look. "
    assert (call["call_id"], call["name"], call["arguments"]) == ("call_1", "look", '{"at":1}')
    assert [item["id"][:3] for item in (reasoning, message, call)] == ["rs_", "msg", "fc_"]


def test_a_model_that_only_calls_says_nothing() -> None:
    """There is no message then."""
    kinds = [item["type"] for item in output_of([Text(" "), *CALL, CallEnds(0), Text("\n")])]
    assert kinds == ["function_call"]


@pytest.mark.parametrize("text", ["", " "])
def test_an_answer_of_nothing_is_a_message(text: str) -> None:
    """Empty, or with the space that came."""
    (message,) = output_of([Text(text)] if text else [])
    assert message["content"][0]["text"] == text


@pytest.mark.parametrize(("arguments", "status"), [('{"at":1}', "completed"), ("{", "incomplete")])
def test_a_call_that_is_cut_is_incomplete(arguments: str, status: str) -> None:
    """As its arguments show."""
    answer = answer_to(request(), FakeCompletion(Finish.LENGTH))
    pieces: list[Piece] = [
        CallBegins(0, "call_1", "look"),
        CallArguments(0, arguments),
        CallEnds(0),
    ]
    (call,) = check_stream(told(answer, pieces))["output"]
    assert call["status"] == status


def test_calls_beyond_the_most_are_left_out() -> None:
    """As if the model had not made them."""
    second: list[Piece] = [CallBegins(1, "call_2", "look"), CallArguments(1, "{}"), CallEnds(1)]
    output = output_of([*CALL, CallEnds(0), *second], max_tool_calls=1)
    assert [item["call_id"] for item in output] == ["call_1"]


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("auto", []),
        ("concise", ["First.\n\nThen?"]),
        ("detailed", ["First. And more.\n\nThen? No."]),
    ],
)
def test_a_summary_of_reasoning_is_drawn_from_it(summary: str, expected: list[str]) -> None:
    """Where one is asked for; its events come before the item is done."""
    pieces: list[Piece] = [Reasoning("First. And more."), Reasoning("\n\nThen? No."), Text("x")]
    item = output_of(pieces, reasoning={"summary": summary})[0]
    assert [part["text"] for part in item["summary"]] == expected


def test_reasoning_is_sealed_where_that_is_included() -> None:
    """So that a client which keeps nothing else of it can send it back."""
    include = {"include": ["reasoning.encrypted_content"]}
    reasoning, message = output_of([Reasoning("hm"), Text("x")], **include)
    back = {"type": "reasoning", "summary": [], "encrypted_content": reasoning["encrypted_content"]}
    (turn,) = request(input=[back, message]).messages
    assert (turn.reasoning, turn.content) == ("hm", "x")
    assert "encrypted_content" not in output_of([Reasoning("hm")])[0]


def test_an_output_may_be_sent_back_as_it_came() -> None:
    """All items of it, with the results of their calls."""
    output = output_of([Reasoning("hm"), Text("I look."), *CALL, CallEnds(0)])
    result = {"type": "function_call_output", "call_id": "call_1", "output": "found"}
    turn, found = request(input=[*output, result]).messages
    assert (turn.reasoning, turn.content, turn.tool_calls[0].name) == ("hm", "I look.", "look")
    assert (found.role, found.content) == ("tool", "found")


# ---------------------------------------------------------------- its life


def test_a_response_that_waits_is_queued_first() -> None:
    """It is created once."""
    answer = answer_to(request(background=True), response_id="resp_mine")
    events = decoded([*answer.queue(), *answer.begin(), *answer.tell([Text("x")]), *answer.end()])
    assert [event["type"] for event in events[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert [event["response"]["status"] for event in events[:3]] == [
        "queued",
        "queued",
        "in_progress",
    ]
    assert check_stream(events)["id"] == answer.id == "resp_mine"


def test_the_object_is_there_as_it_is_now() -> None:
    """With what has come of the item that is open, and the usage at the end."""
    answer = answer_to(request())
    list(answer.begin())
    list(answer.tell([Text("half")]))
    half = msgspec.to_builtins(answer.response)
    assert (half["status"], half["usage"]) == ("in_progress", None)
    assert (half["output"][0]["status"], half["output"][0]["content"][0]["text"]) == (
        "in_progress",
        "half",
    )
    list(answer.end())
    whole = msgspec.to_builtins(answer.response)
    assert (whole["status"], whole["usage"]["total_tokens"]) == ("completed", 8)
    assert whole["usage"]["output_tokens_details"] == {"reasoning_tokens": 2}


def test_a_response_that_fails_says_so_twice() -> None:
    """As an error event, and as its status, with what there is of it."""
    answer = answer_to(request())
    events = decoded([*answer.begin(), *answer.tell([Text("half")]), *answer.fail(ERROR)])
    error, failed = events[-2:]
    assert error["type"] == "error"
    assert (error["code"], error["error"]["code"]) == ("engine_failed", "engine_failed")
    response = check_stream(events)
    assert failed["type"] == "response.failed"
    assert response["error"] == {"code": "server_error", "message": "The engine went away."}
    assert response["output"][0]["status"] == "incomplete"


def test_a_response_that_fails_before_it_began_was_created() -> None:
    """So that every stream begins alike."""
    events = decoded(answer_to(request()).fail(ERROR))
    assert [event["type"] for event in events] == ["response.created", "error", "response.failed"]


def test_a_response_that_is_cancelled_ends() -> None:
    """Its status says why."""
    answer = answer_to(request())
    response = check_stream(
        decoded([*answer.begin(), *answer.tell([Text("half")]), *answer.cancel()])
    )
    assert (response["status"], response["incomplete_details"]) == ("cancelled", None)
