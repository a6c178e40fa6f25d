"""Which request has ended an engine, by histories of what happened."""

from functools import reduce

import pytest

from serve_daemon.gateway.engines.suspects import (
    REMEMBERED_CRASHES,
    STEPS,
    Event,
    Standing,
    Suspects,
)


def after(history: str) -> Standing:
    return reduce(lambda standing, event: STEPS[standing][Event(event)], history.split(), CLEAR)


CLEAR = Standing.CLEAR


@pytest.mark.parametrize(
    ("history", "end"),
    [
        ("begun progressed lost begun", Standing.CLEAR),
        ("begun crashed", Standing.SUSPECT),
        ("crashed begun", Standing.ON_TRIAL),
        ("crashed begun progressed", Standing.CLEAR),
        ("crashed begun lost", Standing.SUSPECT),
        ("crashed begun crashed", Standing.ACCUSED),
        ("crashed begun crashed begun", Standing.ON_LAST_TRIAL),
        ("crashed begun crashed begun lost", Standing.ACCUSED),
        ("crashed begun crashed begun progressed", Standing.CLEAR),
        ("crashed begun crashed begun crashed", Standing.GUILTY),
    ],
)
def test_a_history_ends_in_a_standing(history: str, end: Standing) -> None:
    """Progress clears, and only a crash on trial accuses."""
    assert after(history) is end


def test_only_the_guilty_have_no_way_on() -> None:
    """Every other standing can begin again or end in a token."""
    assert [standing for standing in Standing if not STEPS[standing]] == [Standing.GUILTY]
    assert set(STEPS) == set(Standing)


def crash(suspects: Suspects, engine: str, *requests: str) -> list[Standing]:
    return [suspects.lose(each, engine, crashed=True) for each in requests]


def test_all_that_a_crashed_engine_held_are_tried_one_at_a_time() -> None:
    """The next goes when the one before has a token; others keep away from that engine."""
    suspects = Suspects()
    for request in "ab":
        suspects.begin(request, "e1")
    assert crash(suspects, "e1", "a", "b") == [Standing.SUSPECT] * 2
    assert suspects.may_begin("a", "e2")
    suspects.begin("a", "e2")
    assert not suspects.may_begin("b", "e2")
    assert not suspects.may_begin("b", "e3")
    assert not suspects.may_begin("fresh", "e2")
    assert suspects.may_begin("fresh", "e3")
    assert suspects.progress("a")
    assert suspects.may_begin("b", "e2")
    assert suspects.standing("a") is Standing.CLEAR


def test_who_is_on_trial_has_the_blame_for_all() -> None:
    """Whoever runs beside it goes on, in whatever order they hear of the crash."""
    suspects = Suspects()
    suspects.begin("a", "e1")
    crash(suspects, "e1", "a")
    for engine in ("e2", "e3"):
        suspects.begin("before", engine)
        suspects.begin("after", engine)
        suspects.begin("a", engine)
        heard = crash(suspects, engine, "before", "a", "after")
        assert (heard[0], heard[2]) == (Standing.CLEAR, Standing.CLEAR)
    assert heard[1] is Standing.GUILTY


def test_a_trial_without_a_crash_is_repeated() -> None:
    """An engine that was made to leave says nothing about the request."""
    suspects = Suspects()
    suspects.begin("a", "e1")
    crash(suspects, "e1", "a")
    suspects.begin("a", "e2")
    assert suspects.lose("a", "e2", crashed=False) is Standing.SUSPECT
    assert suspects.may_begin("fresh", "e2")


def test_whoever_leaves_ends_its_trial() -> None:
    """And only its own."""
    suspects = Suspects()
    for request in "ab":
        suspects.begin(request, "e1")
    crash(suspects, "e1", "a", "b")
    suspects.begin("a", "e2")
    assert not suspects.leave("b")
    assert not suspects.may_begin("fresh", "e2")
    assert suspects.leave("a")
    assert suspects.may_begin("fresh", "e2")
    assert suspects.standing("a") is Standing.CLEAR


def test_progress_of_the_clear_is_no_news() -> None:
    """It ends nobody's trial."""
    suspects = Suspects()
    suspects.begin("a", "e1")
    assert not suspects.progress("a")


def test_old_crashes_are_forgotten() -> None:
    """What is remembered is bounded."""
    suspects = Suspects()
    for number in range(REMEMBERED_CRASHES + 1):
        suspects.begin("a", "e")
        crash(suspects, "e", "a")
        suspects.begin("a", f"e{number}")
        crash(suspects, f"e{number}", "a")
        suspects.leave("a")
    assert crash(suspects, "e1", "b") == [Standing.CLEAR]
    assert crash(suspects, "e0", "c") == [Standing.SUSPECT]
