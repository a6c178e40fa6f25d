"""Which items of a conversation stay as they are when it is made short."""

import pytest

from serve_daemon.gateway.responses.compaction import kept_items

ITEMS = {
    "u": {"type": "message", "role": "user"},
    "a": {"type": "message", "role": "assistant"},
    "d": {"type": "message", "role": "developer"},
    "r": {"type": "reasoning"},
    "c": {"type": "function_call"},
    "o": {"type": "function_call_output"},
}


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        ("", ""),
        ("u", "u"),
        ("ua", ""),
        ("dua", "d"),
        ("uau", "u"),
        ("uaucoco", "uco"),
        ("ucorco", "urco"),
        ("uccoo", "uccoo"),
        ("uac", "uc"),
        ("ur", "ur"),
        ("aa", ""),
    ],
)
def test_what_a_turn_that_is_not_over_needs_stays(items: str, kept: str) -> None:
    """The last question, and the calls and results at the end; instructions always."""
    assert kept_items([ITEMS[item] for item in items]) == [ITEMS[item] for item in kept]
