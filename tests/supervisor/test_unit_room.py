"""A unit whose engines don't always fit beside each other."""

import pytest

from fakes.rooms import SmallWorld
from fakes.units import sent_to, signals_of
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason


def test_where_both_fit_the_new_one_starts_beside_the_old() -> None:
    """As without any limit: nobody waits."""
    world = SmallWorld(10, A=5, B=5)
    old = world.started()
    world.replace("B")
    assert (world.state(), world.unit.serving) == (State.READY, old)
    world.ready()
    assert [each.spec for each in world.unit.working()] == ["B"]


def test_where_they_do_not_the_old_one_leaves_first() -> None:
    """It finishes what it has, requests wait, and the new one starts once its memory is free."""
    world = SmallWorld(10, A=6, B=7)
    old = world.started()
    generation = world.replace("B")
    assert (world.state(), world.unit.serving) == (State.STARTING, None)
    assert (sent_to(old), signals_of(old)) == ([Drain()], [])
    assert world.specs() == ["A"]
    old.on_exit(0)
    assert world.specs() == ["A", "B"]
    world.ready()
    assert world.unit.outcome(generation) == ""
    assert world.journal.states == [State.STARTING, State.READY] * 2
    assert world.unit.retry.total == 0


def test_a_new_one_that_fails_has_the_old_one_come_back() -> None:
    """At once, as it is not its fault; the change has failed, for the reason of the new one."""
    world = SmallWorld(10, A=6, B=7)
    old = world.started()
    generation = world.replace("B")
    old.on_exit(0)
    world.fail(Reason.SOURCE, "no such file")
    assert world.specs() == ["A", "B", "A"]
    assert world.state() is State.STARTING
    assert world.unit.outcome(generation) == "source: no such file"
    world.ready()
    assert (world.state(), world.unit.spec) == (State.READY, "A")
    assert world.unit.retry.total == 0
    assert world.journal.notes[-1].endswith("the old one comes back: source: no such file")


def test_the_one_that_comes_back_may_crash_like_any_other() -> None:
    """Then its restart is delayed, and it is given up after too many."""
    world = SmallWorld(10, A=6, B=7)
    world.started()
    world.replace("B")
    for _ in range(3):
        world.newest.on_exit(1)
    assert (world.state(), world.unit.spec) == (State.BACKOFF, "A")
    world.clock.advance(1.0)
    assert world.specs() == ["A", "B", "A", "A"]


def test_what_can_never_fit_is_refused_and_nothing_is_touched() -> None:
    """The old one serves on; the reason names the key and a value that would do."""
    world = SmallWorld(10, A=6, B=11)
    old = world.started()
    generation = world.replace("B")
    outcome = world.unit.outcome(generation) or ""
    assert outcome.startswith("no-room: needs 11.0GiB on cpu")
    assert outcome.endswith("lower max_requests from 11 to 10")
    assert (world.unit.serving, world.state(), world.unit.spec) == (old, State.READY, "A")
    assert sent_to(old) == []


def test_a_first_start_that_can_not_fit_has_failed() -> None:
    """For good, unless memory becomes free: then it starts by itself."""
    world = SmallWorld(10, A=6, B=5)
    other = world.beside("B")
    world.unit.start("test")
    assert (world.state(), world.specs()) == (State.FAILED, [])
    assert "beside the 5.0GiB of others" in world.unit.reason
    world.unit.reconsider()
    assert world.state() is State.FAILED
    other.unit.stop("test")
    world.unit.reconsider()
    assert world.state() is State.FAILED
    other.newest.on_exit(0)
    world.unit.reconsider()
    assert (world.state(), world.specs()) == (State.STARTING, ["A"])
    assert world.ready() is world.unit.serving


def test_what_has_failed_otherwise_is_not_started_again() -> None:
    """Though there was no room for it once."""
    world = SmallWorld(5, A=6)
    world.unit.start("test")
    world.small.gibibytes = 6
    world.unit.reconsider()
    world.fail(Reason.CONFIG)
    world.unit.reconsider()
    assert (world.state(), world.specs()) == (State.FAILED, ["A"])


def test_it_waits_for_what_leaves() -> None:
    """A model that takes another's place starts when that one is gone."""
    world = SmallWorld(10, A=6, B=5)
    other = world.beside("B")
    other.unit.stop("test")
    for _ in range(2):
        world.unit.start("test")
        world.unit.reconsider()
    assert (world.state(), world.specs()) == (State.STARTING, [])
    assert world.journal.notes == ["waits until others have left room"]
    other.newest.on_exit(0)
    world.unit.reconsider()
    assert world.specs() == ["A"]


def test_a_wake_that_can_not_fit_is_refused() -> None:
    """With the reason, which is what its requests are told."""
    world = SmallWorld(10, A=6, B=5)
    world.started()
    world.unit.sleep("idle")
    world.newest.on_exit(0)
    world.beside("B")
    world.unit.wake("request")
    assert world.state() is State.FAILED
    assert world.unit.reason.startswith("no-room: ")


def test_an_edit_while_the_old_one_leaves_starts_the_last_one() -> None:
    """What nobody wants any more is not even spawned."""
    world = SmallWorld(10, A=6, B=7, C=8)
    old = world.started()
    world.replace("B")
    generation = world.replace("C")
    old.on_exit(0)
    assert world.specs() == ["A", "C"]
    world.ready()
    assert world.unit.outcome(generation) == ""


def test_an_edit_that_can_not_fit_while_the_old_one_leaves_brings_it_back() -> None:
    """The last one wins, and it has failed: what worked comes back."""
    world = SmallWorld(10, A=6, B=7, C=11)
    old = world.started()
    world.replace("B")
    generation = world.replace("C")
    old.on_exit(0)
    assert (world.unit.outcome(generation) or "").startswith("no-room: ")
    assert world.specs() == ["A", "A"]


def test_a_stop_while_the_old_one_leaves_ends_it() -> None:
    """Nothing comes in its place."""
    world = SmallWorld(10, A=6, B=7)
    old = world.started()
    world.replace("B")
    world.unit.stop("enough")
    old.on_exit(0)
    assert (world.state(), world.specs()) == (State.STOPPED, ["A"])


@pytest.mark.parametrize("status", [0, 1, -9])
def test_however_the_old_one_ends_the_new_one_follows(status: int) -> None:
    """It was to leave."""
    world = SmallWorld(10, A=6, B=7)
    old = world.started()
    world.replace("B")
    old.on_exit(status)
    assert (world.state(), world.specs()) == (State.STARTING, ["A", "B"])


def test_a_restart_swaps_where_both_do_not_fit() -> None:
    """The same spec, by a new process."""
    world = SmallWorld(10, A=6)
    old = world.started()
    world.replace("A", force=True)
    old.on_exit(0)
    assert world.ready() is world.unit.serving
    assert world.specs() == ["A", "A"]


def test_what_is_not_known_yet_is_started() -> None:
    """As weights that are still to be downloaded."""
    world = SmallWorld(1, A=6)
    world.small.machine.unknown = {"A"}
    world.started()
    assert world.state() is State.READY
