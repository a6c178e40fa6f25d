"""Framing and messages of the varlink protocol."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.control.protocol import (
    ControlError,
    ProtocolError,
    Receiver,
    Reply,
    Request,
    encode,
    read_reply,
    read_request,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False).filter(lambda number: number not in {float("inf"), float("-inf")}),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
parameters = st.dictionaries(st.text(), json_values, max_size=4)


@given(st.lists(parameters, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_messages_that_were_sent(
    sent: list[dict[str, object]], sizes: list[int]
) -> None:
    """However the bytes arrive, the same replies come out in their order."""
    stream = b"".join(encode(Reply(one)) for one in sent)
    receiver = Receiver(max_bytes=1_000_000)
    received = []
    position = turn = 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        received += receiver.feed(stream[position : position + size])
        position += size
        turn += 1
    assert [read_reply(message).parameters for message in received] == sent


@given(parameters, st.booleans(), st.booleans(), st.booleans())
def test_a_request_survives_the_wire(
    given_parameters: dict[str, object], more: bool, oneway: bool, upgrade: bool
) -> None:
    """What is encoded is what is read, flags included."""
    request = Request("a.b.C", given_parameters, more, oneway, upgrade)
    (message,) = Receiver(1_000_000).feed(encode(request))
    assert read_request(message) == request


@given(parameters)
def test_a_message_holds_no_nul_before_its_end(given_parameters: dict[str, object]) -> None:
    """A NUL inside a string can not end a message early."""
    assert encode(Reply(given_parameters)).index(b"\0") == len(encode(Reply(given_parameters))) - 1


def test_flags_that_are_not_set_are_left_out() -> None:
    """The smallest call is a method and its parameters, as the specification shows it."""
    assert json.loads(encode(Request("a.b.C"))[:-1]) == {"method": "a.b.C", "parameters": {}}


def test_null_and_unknown_fields_are_as_if_absent() -> None:
    """A peer may send null for what it does not use, and fields of a later protocol."""
    message = {"method": "a.b.C", "parameters": None, "more": None, "later": 1}
    assert read_request(message) == Request("a.b.C")


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"method": "NoInterface"},
        {"method": 1},
        {"method": "a.b.C", "parameters": []},
        {"method": "a.b.C", "more": 1},
        {"method": "a.b.C", "oneway": "yes"},
    ],
)
def test_a_malformed_call_is_refused(message: dict[str, object]) -> None:
    """A field of the wrong type is the end of the conversation, not a guess."""
    with pytest.raises(ProtocolError):
        read_request(message)


@pytest.mark.parametrize("message", [{"continues": 1}, {"error": {}}, {"parameters": "x"}])
def test_a_malformed_reply_is_refused(message: dict[str, object]) -> None:
    """The client is as strict as the server."""
    with pytest.raises(ProtocolError):
        read_reply(message)


@pytest.mark.parametrize(
    "data",
    [b"\0", b"nonsense\0", b"[1]\0", b'"text"\0', b"\xff\xfe{\0", b"[" * 100_000 + b"\0"],
    ids=["empty", "nonsense", "list", "string", "not utf-8", "deep"],
)
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    """Anything but one JSON object before each NUL is a protocol error."""
    with pytest.raises(ProtocolError):
        Receiver(1_000_000).feed(data)


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_a_message_over_the_limit_is_refused(end: bytes) -> None:
    """The limit holds for a finished message and for one that never ends."""
    with pytest.raises(ProtocolError, match="larger than 10 bytes"):
        Receiver(max_bytes=10).feed(b'{"a": "' + b"x" * 20 + b'"}' + end)


def test_small_messages_pass_however_many_arrive_at_once() -> None:
    """The limit is per message, not per read."""
    assert len(Receiver(max_bytes=20).feed(encode(Reply()) * 100)) == 100


def test_an_error_reads_as_its_name_and_parameters() -> None:
    """The text of an error is of use in a log."""
    assert str(ControlError("a.b.Bad", {"why": "x"})) == "a.b.Bad(why='x')"
