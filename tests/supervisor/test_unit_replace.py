"""Histories of one unit whose spec is edited: replaced, superseded, reverted, failed."""

import asyncio
import signal

from fakes.units import World, sent_to, signals_of
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason


def test_the_new_engine_is_ready_before_the_old_one_leaves() -> None:
    """The unit never stops being ready, and the old engine drains."""
    world = World()
    old = world.started()
    generation = world.unit.replace("B", "edit")
    new = world.newest
    assert world.unit.serving is old
    assert sent_to(old) == []
    assert world.unit.outcome(generation) is None
    world.ready()
    assert world.unit.serving is new
    assert sent_to(old) == [Drain()]
    assert world.unit.outcome(generation) == ""
    old.on_exit(0)
    assert world.unit.instances() == [new]
    assert world.journal.states == [State.STARTING, State.READY]
    assert world.journal.notes == ["edit", "e2 has replaced e1", "e1 has left"]


def test_an_equal_spec_replaces_nothing() -> None:
    """Unless it is forced, as a restart is."""
    world = World()
    old = world.started()
    assert world.unit.replace("A", "edit") == old.generation
    assert world.specs() == ["A"]
    generation = world.unit.replace("A", "restart", force=True)
    assert world.specs() == ["A", "A"]
    assert world.unit.outcome(generation) is None
    world.ready()
    assert world.unit.outcome(generation) == ""


def test_a_later_edit_supersedes_a_successor_that_loads() -> None:
    """The first successor is terminated; the next starts only when it is gone."""
    world = World()
    old = world.started()
    first = world.unit.replace("B", "edit")
    superseded = world.newest
    second = world.unit.replace("C", "edit")
    third = world.unit.replace("D", "edit")
    assert signals_of(superseded) == [signal.SIGTERM]
    assert world.specs() == ["A", "B"]
    superseded.on_exit(0)
    assert world.specs() == ["A", "B", "D"]
    assert world.unit.serving is old
    world.ready()
    assert world.unit.outcome(first) == world.unit.outcome(second)
    assert world.unit.outcome(first) == "superseded by a later change"
    assert world.unit.outcome(third) == ""


def test_a_superseded_successor_that_ignores_sigterm_is_killed() -> None:
    """It can't keep the next one from starting."""
    world = World()
    world.started()
    world.unit.replace("B", "edit")
    world.unit.replace("C", "edit")
    stubborn = world.newest
    world.clock.advance(5.0)
    assert signals_of(stubborn) == [signal.SIGTERM, signal.SIGKILL]


def test_an_edit_that_is_taken_back_drops_the_successor() -> None:
    """What serves is what is wanted again: it stays, untouched."""
    world = World()
    old = world.started()
    world.unit.replace("B", "edit")
    dropped = world.newest
    generation = world.unit.replace("A", "edit back")
    assert world.unit.outcome(generation) == ""
    assert signals_of(dropped) == [signal.SIGTERM]
    dropped.on_exit(0)
    assert world.unit.instances() == [old]
    assert sent_to(old) == []
    assert world.specs() == ["A", "B"]


def test_an_edit_of_a_first_start_replaces_what_loads() -> None:
    """Nothing serves yet: the wrong engine goes, the right one comes."""
    world = World()
    world.unit.start("start")
    wrong = world.newest
    generation = world.unit.replace("B", "edit")
    assert signals_of(wrong) == [signal.SIGTERM]
    wrong.on_exit(0)
    assert world.state() is State.STARTING
    world.ready()
    assert world.unit.outcome(generation) == ""
    assert world.specs() == ["A", "B"]


def test_an_edit_of_a_stopped_unit_waits_for_start() -> None:
    """Stopped by hand, it stays stopped."""
    world = World()
    world.unit.replace("B", "edit")
    assert world.specs() == []
    world.unit.start("start")
    assert world.specs() == ["B"]


def test_an_edit_of_a_failed_unit_waits_for_start() -> None:
    """Then the new spec gets its chance."""
    world = World()
    world.unit.start("start")
    world.fail(Reason.CONFIG)
    generation = world.unit.replace("B", "edit")
    assert world.unit.outcome(generation) == "config: as told"
    world.unit.start("edit")
    assert world.unit.outcome(generation) is None
    world.ready()
    assert world.unit.outcome(generation) == ""


def test_stop_drops_a_successor() -> None:
    """The old one drains; the one that loads has nothing to finish."""
    world = World()
    old = world.started()
    generation = world.unit.replace("B", "edit")
    successor = world.newest
    world.unit.stop("stop")
    assert world.state() is State.DRAINING
    assert signals_of(successor) == [signal.SIGTERM]
    assert sent_to(old) == [Drain()]
    assert world.unit.outcome(generation) == "stopped meanwhile"
    successor.on_exit(0)
    assert world.state() is State.DRAINING
    old.on_exit(0)
    assert world.state() is State.STOPPED


async def test_everybody_who_waits_hears_of_their_own_edit() -> None:
    """Each generation is settled once, with its own outcome."""
    world = World()
    world.started()
    first = asyncio.create_task(world.unit.settled(world.unit.replace("B", "edit")))
    await asyncio.sleep(0)
    second = asyncio.create_task(world.unit.settled(world.unit.replace("C", "edit")))
    assert await first == "superseded by a later change"
    world.newest.on_exit(0)
    await asyncio.sleep(0)
    assert not second.done()
    world.newest.on_exit(7)
    assert await second == "exited with status 7"
