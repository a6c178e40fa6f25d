"""Stop strings, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.gateway.text.stop_strings import StopStrings


def passed_on(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    """What comes through, and whether it was stopped."""
    strings = StopStrings(stops)
    text = ""
    for piece in pieces:
        text += strings.feed(piece)
        if strings.is_stopped:
            return text, True
    return text + strings.flush(), False


@pytest.mark.parametrize(
    ("stops", "text", "expected", "is_stopped"),
    [
        ([], "anything", "anything", False),
        (["x"], "", "", False),
        (["x"], "abc", "abc", False),
        (["x"], "abxcx", "ab", True),
        (["x"], "x", "", True),
        (["END"], "EN", "EN", False),
        (["END"], "the EEND.", "the E", True),
        (["aab"], "aaaab", "aa", True),
        (["abcd", "bc"], "abcd", "a", True),  # the one that is complete first
        (["bc", "abc"], "abc", "", True),  # both at once: the longer
        (["\n\n", "###"], "a\n#\n\n", "a\n#", True),
        (["é😀"], "é é😀", "é ", True),
    ],
)
def test_text_up_to_the_stop_string(
    stops: list[str], text: str, expected: str, *, is_stopped: bool
) -> None:
    """In one piece, and letter by letter."""
    assert passed_on(stops, [text]) == (expected, is_stopped)
    assert passed_on(stops, list(text)) == (expected, is_stopped)


def test_only_a_possible_beginning_is_held_back() -> None:
    """All else comes at once."""
    strings = StopStrings(["END"])
    assert strings.feed("the E") == "the "
    assert strings.feed("x") == "Ex"
    assert strings.feed("EN") == ""
    assert strings.flush() == "EN"


@given(
    stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4),
    pieces=st.lists(st.text("abc", max_size=5), max_size=12),
)
def test_the_cuts_make_no_difference(stops: list[str], pieces: list[str]) -> None:
    """And nothing that comes through contains a stop string."""
    text, is_stopped = passed_on(stops, pieces)
    assert (text, is_stopped) == passed_on(stops, list("".join(pieces)))
    assert not any(stop in text for stop in stops)
    assert is_stopped == any(stop in "".join(pieces) for stop in stops)


@pytest.mark.parametrize(
    ("stops", "text", "stopped_by"),
    [
        (["x"], "abc", None),
        (["END", "."], "the END.", "END"),
        (["abcd", "bc"], "abcd", "bc"),
        (["bc", "abc"], "abc", "abc"),
    ],
)
def test_it_is_known_which_stop_string_it_was(
    stops: list[str], text: str, stopped_by: str | None
) -> None:
    """None of a text that has none."""
    strings = StopStrings(stops)
    strings.feed(text)
    assert strings.stopped_by == stopped_by
