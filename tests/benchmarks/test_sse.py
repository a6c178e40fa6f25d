"""The bytes of a streamed completion, however they are cut."""

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse import Dechunker, Event, Events, Usage


def event(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def text(words: str) -> bytes:
    return event(id="c1", choices=[{"index": 0, "delta": {"content": words}}])


STREAM = (
    event(choices=[{"index": 0, "delta": {"role": "assistant"}}])
    + b": keep-alive\n\n"
    + text("Hel")
    + text("lo \u00fc")
    + event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9})
    + b"data: [DONE]\n\n"
)
CUTS = st.lists(st.integers(0, 1000), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(borders)]


def chunked(pieces: list[bytes]) -> bytes:
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return chunks + b"0\r\n\r\n"


@given(CUTS)
def test_events_do_not_depend_on_how_the_bytes_come(places: list[int]) -> None:
    """Those with text, the usage, and the end."""
    events = Events()
    found = [each for piece in cut(STREAM, places) for each in events.feed(piece)]
    assert [each.has_text for each in found] == [False, True, True, False]
    assert [each.usage for each in found] == [None, None, None, Usage(7, 2)]
    assert events.is_over


def test_usage_may_come_with_the_last_choice() -> None:
    """As `transformers serve` tells it, without a [DONE] behind."""
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    choice = {"index": 0, "delta": {}, "finish_reason": "length"}
    (found,) = Events().feed(event(choices=[choice], usage=usage))
    assert found.usage == Usage(7, 2)
    assert not found.has_text


def test_an_error_in_the_stream_is_seen() -> None:
    """It comes after status 200."""
    (found,) = Events().feed(event(error="out of memory"))
    assert found == Event(error="out of memory")


def test_what_is_no_event_is_refused() -> None:
    """Rather than counted as a token."""
    with pytest.raises(msgspec.DecodeError):
        list(Events().feed(b"data: <html>\n\n"))


@given(CUTS, CUTS)
def test_chunks_are_taken_apart_wherever_they_are_cut(chunks: list[int], reads: list[int]) -> None:
    """Borders of chunks and of reads are independent of each other and of lines."""
    dechunker = Dechunker()
    coded = chunked(cut(STREAM, chunks))
    assert b"".join(dechunker.feed(piece) for piece in cut(coded, reads)) == STREAM
    assert dechunker.is_over
