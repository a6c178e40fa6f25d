"""Frames: any messages in any pieces come out as they went in; what is no frame is refused."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.wire import framing
from serve_daemon.wire.framing import HEADER_BYTES, FramingError, Receiver, encode
from serve_daemon.wire.messages import Cancel, Submit, ToEngine
from serve_daemon.wire.sampling import Sampling

ENCODER = msgspec.msgpack.Encoder()


def make_receiver() -> Receiver[ToEngine]:
    return Receiver(msgspec.msgpack.Decoder(ToEngine))


submits = st.builds(
    Submit,
    sequence=st.integers(0, 2**32),
    request_id=st.text(),
    tokens=st.lists(st.integers(0, 200_000)),
    max_new_tokens=st.integers(0, 10_000),
    stop_tokens=st.lists(st.integers(0, 200_000), max_size=3),
    sampling=st.builds(Sampling, seed=st.integers(0, 2**64 - 1)),
)
messages = st.lists(st.one_of(st.builds(Cancel, sequence=st.integers(0, 2**63)), submits))


@given(messages, st.lists(st.integers(0, 5000)))
def test_any_chunking_gives_the_messages_back(sent: list[ToEngine], cuts: list[int]) -> None:
    """Where the stream is cut makes no difference."""
    stream = b"".join(encode(each, ENCODER) for each in sent)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    receiver = make_receiver()
    received = [each for a, b in pairwise(edges) for each in receiver.feed(stream[a:b])]
    assert received == sent


def test_byte_by_byte() -> None:
    """The smallest pieces, headers included."""
    receiver = make_receiver()
    stream = encode(Cancel(1), ENCODER) + encode(Cancel(2), ENCODER)
    received = [each for byte in stream for each in receiver.feed(bytes([byte]))]
    assert received == [Cancel(1), Cancel(2)]


def test_the_header_is_the_length_of_the_body() -> None:
    """Four bytes, big-endian, as peers in other languages would write it."""
    frame = encode(Cancel(7), ENCODER)
    assert int.from_bytes(frame[:HEADER_BYTES], "big") == len(frame) - HEADER_BYTES
    assert msgspec.msgpack.decode(frame[HEADER_BYTES:]) == ["Cancel", 7]


def test_a_frame_of_the_largest_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit belongs to what is allowed, at both ends."""
    size = len(encode(Cancel(7), ENCODER)) - HEADER_BYTES
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", size)
    assert make_receiver().feed(encode(Cancel(7), ENCODER)) == [Cancel(7)]
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", size - 1)
    with pytest.raises(FramingError, match=f"a message of {size} bytes"):
        encode(Cancel(7), ENCODER)


def test_a_frame_that_is_too_large_is_refused_by_its_header() -> None:
    """Before any of it is kept in memory."""
    header = (framing.MAX_FRAME_BYTES + 1).to_bytes(HEADER_BYTES, "big")
    with pytest.raises(FramingError, match="larger than"):
        make_receiver().feed(header)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",  # no msgpack at all
        msgspec.msgpack.encode("Cancel"),
        msgspec.msgpack.encode(["Cancel", "seven"]),
        msgspec.msgpack.encode(["Drain"]),  # of another conversation
        msgspec.msgpack.encode(["Cancel", 7]) + b"\x00",
    ],
)
def test_what_is_no_message_of_the_conversation_is_refused(body: bytes) -> None:
    """A peer of another version, or none of ours, is noticed at once."""
    with pytest.raises(FramingError, match="not a message of this conversation"):
        make_receiver().feed(len(body).to_bytes(HEADER_BYTES, "big") + body)


@given(st.binary(min_size=1, max_size=200))
def test_garbage_is_refused_or_waited_for(garbage: bytes) -> None:
    """No bytes whatsoever make the receiver fail in another way, or invent a message."""
    try:
        received = make_receiver().feed(garbage)
    except FramingError:
        return
    assert all(isinstance(each, Submit | Cancel) for each in received)
