"""Histories of one unit whose edits meet crashes and failures."""

import signal

from fakes.units import World, signals_of
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Reason


def test_a_replacement_that_fails_leaves_the_old_one_serving() -> None:
    """The outcome is its reason, and the unit wants again what it has."""
    world = World()
    old = world.started()
    generation = world.unit.replace("B", "edit")
    world.fail(Reason.SOURCE, "no such file")
    assert world.state() is State.READY
    assert world.unit.serving is old
    assert world.unit.spec == "A"
    assert world.unit.outcome(generation) == "source: no such file"
    assert world.unit.retry.total == 0
    assert world.journal.notes[-1].endswith("the old one goes on: source: no such file")
    world.clock.advance(1000.0)
    assert world.specs() == ["A", "B"]


def test_after_a_failed_replacement_the_old_spec_is_restarted() -> None:
    """A later crash brings back what was proven."""
    world = World()
    old = world.started()
    world.unit.replace("B", "edit")
    world.newest.on_exit(1)
    old.on_exit(1)
    world.clock.advance(1.0)
    assert world.specs() == ["A", "B", "A"]


def test_after_a_failed_replacement_the_same_edit_is_tried_again() -> None:
    """Somebody may have mended what it needs; the first outcome stays what it was."""
    world = World()
    world.started()
    first = world.unit.replace("B", "edit")
    world.newest.on_exit(1)
    second = world.unit.replace("B", "edit")
    assert first != second
    world.ready()
    assert world.unit.outcome(second) == ""
    assert world.unit.outcome(first) == "exited with status 1"


def test_a_replacement_that_cannot_be_spawned_has_failed() -> None:
    """The generation to wait for is the failed one, though the unit has gone back already."""
    world = World()
    old = world.started()
    world.program.broken = {"B"}
    generation = world.unit.replace("B", "edit")
    assert generation != old.generation
    assert (world.unit.outcome(generation) or "").startswith("can't be started")
    assert world.unit.serving is old
    assert world.unit.spec == "A"


def test_the_old_engine_crashes_while_its_successor_loads() -> None:
    """The unit waits for the successor instead of starting the old spec again."""
    world = World()
    world.started()
    old = world.newest
    generation = world.unit.replace("B", "edit")
    old.on_exit(-signal.SIGSEGV)
    assert world.state() is State.STARTING
    assert world.unit.reason == "killed by SIGSEGV"
    assert world.unit.retry.total == 0
    world.ready()
    assert world.state() is State.READY
    assert world.unit.outcome(generation) == ""
    assert world.specs() == ["A", "B"]


def test_the_old_engine_crashes_and_its_successor_fails() -> None:
    """Both are lost: the proven spec comes back, and the edit has failed."""
    world = World()
    old = world.started()
    generation = world.unit.replace("B", "edit")
    old.on_exit(1)
    world.fail(Reason.CONFIG, "nonsense")
    assert world.state() is State.BACKOFF
    assert world.unit.spec == "A"
    assert world.unit.outcome(generation) == "config: nonsense"
    world.clock.advance(10.0)
    assert world.specs() == ["A", "B", "A"]
    world.ready()
    assert world.state() is State.READY


def test_the_old_engine_crashes_while_a_successor_waits_for_its_turn() -> None:
    """The edit is not lost: after the delay the wanted spec starts."""
    world = World()
    old = world.started()
    world.unit.replace("B", "edit")
    superseded = world.newest
    generation = world.unit.replace("C", "edit")
    old.on_exit(1)
    assert world.state() is State.BACKOFF
    superseded.on_exit(0)
    world.clock.advance(1.0)
    assert world.specs() == ["A", "B", "C"]
    world.ready()
    assert world.unit.outcome(generation) == ""


def test_a_crash_after_a_replacement_restarts_the_new_spec() -> None:
    """What became ready is proven; what it replaced is history."""
    world = World()
    old = world.started()
    world.unit.replace("B", "edit")
    new = world.ready()
    new.on_exit(1)
    assert world.state() is State.BACKOFF
    old.on_exit(0)
    world.clock.advance(1.0)
    assert world.specs() == ["A", "B", "B"]


def test_an_edit_in_backoff_starts_at_once() -> None:
    """And with no crashes to its name."""
    world = World()
    world.unit.start("start")
    for _ in range(4):
        world.newest.on_exit(1)
        world.clock.advance(10.0)
    world.unit.replace("B", "edit")
    assert world.specs()[-1] == "A"
    world.newest.on_exit(0)
    assert world.specs()[-1] == "B"
    world.newest.on_exit(1)
    assert world.state() is State.BACKOFF
    world.unit.replace("C", "edit")
    assert world.state() is State.STARTING
    assert world.specs()[-1] == "C"


def test_a_slow_successor_is_ended_and_the_old_one_stays() -> None:
    """A start timeout is a failure like another."""
    world = World()
    old = world.started()
    generation = world.unit.replace("B", "edit")
    world.clock.advance(100.0)
    assert signals_of(world.newest) == [signal.SIGKILL]
    world.newest.on_exit(-signal.SIGKILL)
    assert world.unit.outcome(generation) == "not ready within 100 s"
    assert world.unit.serving is old


def test_an_edit_while_the_hung_engine_dies_is_not_lost() -> None:
    """The engine that is being killed doesn't count as what is wanted."""
    world = World()
    old = world.started()
    world.clock.advance(30.0)
    world.unit.check()
    world.unit.replace("B", "edit")
    old.on_exit(-signal.SIGKILL)
    assert world.state() is State.STARTING
    world.ready()
    assert world.unit.serving is not None
    assert world.unit.serving.spec == "B"


def test_a_stopped_unit_has_nothing_to_go_back_to() -> None:
    """What was proven before the stop is not started in place of an edit that fails."""
    world = World()
    old = world.started()
    world.unit.stop("stop")
    old.on_exit(0)
    world.unit.replace("B", "edit")
    generation = world.unit.start("start")
    world.newest.on_exit(1)
    assert world.unit.spec == "B"
    assert world.unit.outcome(generation) is None
    world.clock.advance(10.0)
    assert world.specs() == ["A", "B", "B"]


def test_a_failed_unit_has_nothing_to_go_back_to() -> None:
    """What has crashed too often is no better than the edit that fails."""
    world = World()
    world.started()
    world.fail(Reason.CONFIG)
    world.unit.replace("B", "edit")
    world.unit.start("edit")
    world.newest.on_exit(1)
    assert world.unit.spec == "B"
    world.clock.advance(10.0)
    assert world.specs() == ["A", "B", "B"]
