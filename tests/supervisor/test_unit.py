"""Histories of one unit: starting, stopping, and every wish in every state."""

import asyncio
import signal

import pytest

from fakes.units import World, sent_to, signals_of
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason


def test_a_normal_life() -> None:
    """Stopped, starting, ready, draining, stopped, with one process."""
    world = World()
    engine = world.started()
    assert world.unit.serving is engine
    world.unit.stop("enough")
    assert sent_to(engine) == [Drain()]
    assert world.unit.serving is None
    engine.on_exit(0)
    assert world.journal.states == [State.STARTING, State.READY, State.DRAINING, State.STOPPED]
    assert world.journal.reasons == ["test", "", "enough", "enough"]
    assert len(world.program.spawned) == 1
    assert world.unit.instances() == []


def test_an_engine_is_no_longer_serving_when_it_is_released() -> None:
    """Whoever releases it publishes tables that must be without it."""
    world = World()
    engine = world.started()
    seen: list[Instance | None] = []
    world.program.on_release = lambda: seen.append(world.unit.serving)
    world.unit.stop("enough")
    assert seen == [None]
    assert world.unit.leaving == {engine}


def test_start_is_no_more_than_a_wish() -> None:
    """Wishing for what is the case already changes nothing."""
    world = World()
    assert world.unit.start("one") == world.unit.start("two") == 1
    world.ready()
    world.unit.start("three")
    assert len(world.program.spawned) == 1
    assert world.journal.reasons == ["one", ""]


def test_start_while_draining_starts_beside_what_leaves() -> None:
    """Open requests are finished there, new ones wait for the new engine."""
    world = World()
    old = world.started()
    world.unit.stop("stop")
    world.unit.start("again")
    assert world.state() is State.STARTING
    new = world.ready()
    assert new is not old
    assert world.unit.serving is new
    assert world.unit.leaving == {old}
    old.on_exit(0)
    assert world.state() is State.READY
    assert world.unit.instances() == [new]


def test_start_while_stopping_waits_for_the_exit() -> None:
    """What was told to exit is gone before the next one starts."""
    world = World()
    world.unit.start("start")
    first = world.newest
    world.unit.stop("stop")
    assert world.state() is State.STOPPING
    assert signals_of(first) == [signal.SIGTERM]
    world.unit.start("again")
    assert world.state() is State.STARTING
    assert world.program.spawned == [first]
    first.on_exit(0)
    assert world.program.spawned == [first, world.newest]
    world.ready()
    assert world.state() is State.READY


def test_start_in_backoff_does_not_wait() -> None:
    """A person who asks for it gets it now, and once."""
    world = World()
    world.started().on_exit(1)
    assert world.state() is State.BACKOFF
    world.unit.start("now")
    assert (world.state(), len(world.program.spawned)) == (State.STARTING, 2)
    world.ready()
    world.clock.advance(50.0)
    assert (world.state(), len(world.program.spawned)) == (State.READY, 2)
    assert world.unit.retry.at is None


def test_start_after_failure_begins_anew() -> None:
    """The crashes that led to failure no longer count."""
    world = World()
    world.unit.start("start")
    world.fail(Reason.SOURCE)
    assert world.state() is State.FAILED
    generation = world.unit.start("mended")
    assert world.unit.outcome(generation) is None
    world.newest.on_exit(1)
    assert world.state() is State.BACKOFF
    assert world.unit.retry.at == world.clock.time() + 1.0


def _stopped(_world: World) -> None: ...


def _starting(world: World) -> None:
    world.unit.start("start")


def _ready(world: World) -> None:
    world.started()


def _asleep(world: World) -> None:
    world.started()
    world.unit.sleep("idle")


def _draining(world: World) -> None:
    world.started()
    world.unit.stop("drain")


def _stopping(world: World) -> None:
    world.unit.start("start")
    world.unit.stop("stop")


def _backoff(world: World) -> None:
    world.started().on_exit(1)


def _failed(world: World) -> None:
    world.unit.start("start")
    world.fail(Reason.CONFIG)


def _fallen_back(world: World) -> None:
    first = world.started()
    world.unit.replace("B", "edit")
    first.on_exit(1)


REACH = {
    State.STOPPED: _stopped,
    State.ASLEEP: _asleep,
    State.STARTING: _starting,
    State.READY: _ready,
    State.DRAINING: _draining,
    State.STOPPING: _stopping,
    State.BACKOFF: _backoff,
    State.FAILED: _failed,
}


def test_every_state_has_a_history() -> None:
    """The tables below leave no state out."""
    assert set(REACH) == set(State)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("wish", ["stop", "stop_now"])
def test_stop_ends_stopped_from_every_state(state: State, wish: str) -> None:
    """Whatever it did before, the unit ends, keeps no timer and spawns no more."""
    world = World()
    REACH[state](world)
    assert world.state() is state
    getattr(world.unit, wish)("stop")
    for each in world.present:
        each.on_exit(0)
    num_spawned = len(world.program.spawned)
    world.clock.advance(1000.0)
    assert world.state() is State.STOPPED
    assert world.unit.instances() == []
    assert len(world.program.spawned) == num_spawned


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("num_edits", [0, 1, 2])
def test_start_ends_ready_from_every_state(state: State, num_edits: int) -> None:
    """Whatever it did before, and whatever was edited, the unit ends ready with the last spec."""
    world = World()
    REACH[state](world)
    for number in range(num_edits):
        world.unit.replace(f"edit {number}", "edit")
    generation = world.unit.start("start")
    while world.unit.outcome(generation) is None:
        leaving = (Phase.DRAINING, Phase.STOPPING)
        for each in [each for each in world.present if each.phase in leaving]:
            each.on_exit(0)
        if world.newest.phase is Phase.STARTING:
            world.ready()
    assert world.unit.outcome(generation) == ""
    assert world.state() is State.READY
    assert world.unit.serving is not None
    assert world.unit.serving.spec == (f"edit {num_edits - 1}" if num_edits else "A")


def test_stop_now_cuts_what_drains() -> None:
    """A second, harder stop reaches those that were leaving softly."""
    world = World()
    engine = world.started()
    world.unit.stop("softly")
    assert signals_of(engine) == []
    world.unit.stop_now("now")
    assert world.state() is State.STOPPING
    assert signals_of(engine) == [signal.SIGTERM]


def test_a_drain_that_takes_too_long_escalates() -> None:
    """First the drain, then SIGTERM, then SIGKILL, each after its time."""
    world = World()
    engine = world.started()
    world.unit.stop("stop")
    world.clock.advance(9.0)
    assert signals_of(engine) == []
    world.clock.advance(2.0)
    assert signals_of(engine) == [signal.SIGTERM]
    world.clock.advance(6.0)
    assert signals_of(engine) == [signal.SIGTERM, signal.SIGKILL]
    engine.on_exit(-signal.SIGKILL)
    assert world.state() is State.STOPPED
    assert world.unit.retry.total == 0


async def test_stopped_waits_for_the_last_process() -> None:
    """The state alone isn't enough: in backoff an old engine may still drain."""
    world = World()
    old = world.started()
    world.unit.replace("B", "edit")
    new = world.ready()
    new.on_exit(1)
    world.unit.stop("stop")
    assert world.state() is State.STOPPED
    waiting = asyncio.create_task(world.unit.stopped())
    await asyncio.sleep(0)
    assert not waiting.done()
    old.on_exit(0)
    await waiting


async def test_settled_tells_the_outcome() -> None:
    """Who waits for a start hears of its end, be it good or bad."""
    world = World()
    waiting = asyncio.create_task(world.unit.settled(world.unit.start("start")))
    await asyncio.sleep(0)
    assert not waiting.done()
    world.ready()
    assert await waiting == ""
    failing = World()
    waiting = asyncio.create_task(failing.unit.settled(failing.unit.start("start")))
    await asyncio.sleep(0)
    failing.fail(Reason.SOURCE, "no such file")
    assert await waiting == "source: no such file"


async def test_settled_ends_when_the_unit_is_stopped() -> None:
    """A stop is an outcome, too."""
    world = World()
    waiting = asyncio.create_task(world.unit.settled(world.unit.start("start")))
    await asyncio.sleep(0)
    world.unit.stop("stop")
    assert await waiting == "stopped meanwhile"
