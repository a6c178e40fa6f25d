"""A unit that sleeps and wakes."""

from fakes.units import World, sent_to
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason


def asleep() -> World:
    world = World()
    engine = world.started()
    world.unit.sleep("idle")
    engine.on_exit(0)
    return world


def test_sleep_lets_the_engine_finish_and_leave() -> None:
    """What is open on it is not cut; then no process is left, and nobody counts it as a crash."""
    world = World()
    engine = world.started()
    world.unit.sleep("idle")
    assert (world.state(), world.unit.serving) == (State.ASLEEP, None)
    assert sent_to(engine) == [Drain()]
    engine.on_exit(0)
    assert (world.state(), world.unit.instances()) == (State.ASLEEP, [])
    assert world.unit.retry.total == 0


def test_a_wake_starts_it_once() -> None:
    """However many requests ask for it."""
    world = asleep()
    for _ in range(3):
        world.unit.wake("request")
    assert len(world.program.spawned) == 2
    world.ready()
    world.unit.wake("request")
    assert (world.state(), len(world.program.spawned)) == (State.READY, 2)


def test_a_wake_while_it_falls_asleep_waits_for_the_memory() -> None:
    """The next engine starts when the old one is gone: they may not fit beside each other."""
    world = World()
    engine = world.started()
    world.unit.sleep("idle")
    world.unit.wake("request")
    assert (world.state(), world.specs()) == (State.STARTING, ["A"])
    engine.on_exit(0)
    assert world.specs() == ["A", "A"]
    world.ready()
    assert world.state() is State.READY


def test_what_loads_or_is_replaced_does_not_sleep() -> None:
    """Nor what has failed, or waits for its restart."""
    world = World()
    world.unit.start("test")
    world.unit.sleep("idle")
    assert world.state() is State.STARTING
    world.ready()
    world.unit.replace("B", "edit")
    world.unit.sleep("idle")
    assert world.state() is State.READY
    world.ready().on_exit(1)
    world.unit.sleep("idle")
    assert world.state() is State.BACKOFF


def test_a_wake_is_for_sleepers_only() -> None:
    """What was stopped stays so until it is started."""
    world = asleep()
    world.unit.stop("operator")
    world.unit.wake("request")
    assert (world.state(), len(world.program.spawned)) == (State.STOPPED, 1)
    world.unit.start("operator")
    assert world.state() is State.STARTING


def test_stop_now_cuts_what_falls_asleep() -> None:
    """The daemon leaves when it must."""
    world = World()
    engine = world.started()
    world.unit.sleep("idle")
    world.unit.stop_now("now")
    assert (world.state(), world.unit.instances()) == (State.STOPPED, [engine])
    engine.on_exit(0)
    assert world.unit.instances() == []


def test_an_edit_lets_it_sleep() -> None:
    """The change is done at once, and the next engine runs it."""
    world = asleep()
    generation = world.unit.replace("B", "edit")
    world.unit.start("edit", wake=False)
    assert (world.state(), world.unit.outcome(generation)) == (State.ASLEEP, "")
    assert world.unit.outcome(generation - 1) == "superseded by a later change"
    world.unit.wake("request")
    assert (world.specs(), world.unit.outcome(generation)) == (["A", "B"], None)
    world.ready()
    assert world.unit.outcome(generation) == ""


def test_an_edit_that_fails_when_it_wakes_is_undone() -> None:
    """As any other replacement: what worked last runs."""
    world = asleep()
    generation = world.unit.replace("B", "edit")
    world.unit.wake("request")
    world.fail(Reason.CONFIG, "no such thing")
    assert world.unit.outcome(generation) == "config: no such thing"
    assert world.state() is State.BACKOFF
    world.clock.advance(1.0)
    assert world.newest.spec == "A"
    world.ready()
    assert world.state() is State.READY
