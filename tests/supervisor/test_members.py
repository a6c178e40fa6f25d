"""What several units are together."""

import pytest

from serve_daemon.supervisor.members import combined, together
from serve_daemon.supervisor.states import State


@pytest.mark.parametrize("state", State)
def test_what_all_are_the_whole_is(state: State) -> None:
    """Of one unit, that is its own state."""
    assert together([state]) is together([state, state]) is state


@pytest.mark.parametrize("other", State)
def test_one_that_serves_is_enough(other: State) -> None:
    """Whatever the others do."""
    assert together([other, State.READY]) is State.READY


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([State.BACKOFF, State.STARTING], State.STARTING),
        ([State.FAILED, State.BACKOFF], State.BACKOFF),
        ([State.FAILED, State.STOPPED], State.FAILED),
        ([State.STOPPED, State.DRAINING], State.DRAINING),
        ([State.STOPPED, State.STOPPING], State.STOPPING),
        ([State.ASLEEP, State.STOPPED], State.ASLEEP),
    ],
)
def test_else_the_one_nearest_to_serving_tells(states: list[State], whole: State) -> None:
    """And it is at rest only when all of it is."""
    assert together(states) is whole


def test_outcomes_are_one() -> None:
    """One failure is the whole's, also while others aren't decided."""
    assert combined(["", ""]) == ""
    assert combined(["", None]) is None
    assert combined([None, "no", ""]) == "no"
