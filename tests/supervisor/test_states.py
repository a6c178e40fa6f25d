"""The table of states: complete, without traps, and no larger than what units do."""

from collections.abc import Callable
from functools import reduce

import pytest

from fakes.rooms import SmallWorld
from fakes.units import World
from serve_daemon.supervisor import unit
from serve_daemon.supervisor.states import STEPS, WILL_SERVE, Event, IllegalStep, State, step
from serve_daemon.wire.messages import Reason


@pytest.mark.parametrize(
    ("history", "end"),
    [
        ("start ready drain exited", State.STOPPED),
        ("start ready drain stop exited", State.STOPPED),
        ("start drain exited", State.STOPPED),
        ("start crashed retry ready", State.READY),
        ("start ready crashed start", State.STARTING),
        ("start ready fall_back ready", State.READY),
        ("start ready make_room ready", State.READY),
        ("start give_up start", State.STARTING),
        ("start give_up drain", State.STOPPED),
        ("start ready drain start ready", State.READY),
        ("start ready sleep start ready", State.READY),
        ("sleep start", State.STARTING),
        ("sleep drain", State.STOPPED),
        ("start drain start ready", State.READY),
    ],
)
def test_a_history_ends_in(history: str, end: State) -> None:
    """A unit that lived through `history` is left in `end`."""
    assert reduce(step, map(Event, history.split()), State.STOPPED) is end


def test_an_unexpected_event_is_refused_by_name() -> None:
    """The error names the event and the state that it met."""
    with pytest.raises(IllegalStep, match="ready is not expected while stopped"):
        step(State.STOPPED, Event.READY)


def test_every_state_has_a_row_and_a_way_out() -> None:
    """No state is a trap, so an operator can always recover a unit."""
    assert set(STEPS) == set(State)
    for state, steps in STEPS.items():
        assert set(steps.values()) - {state}


def test_every_state_is_reachable_and_leads_to_stopped() -> None:
    """From stopped one gets everywhere, and from everywhere back."""
    for start in State:
        reached = {start}
        while new := {to for each in reached for to in STEPS[each].values()} - reached:
            reached |= new
        assert reached == set(State)


def test_every_event_happens_somewhere() -> None:
    """No event is there for nothing."""
    assert {event for steps in STEPS.values() for event in steps} == set(Event)


def test_requests_wait_for_what_will_serve() -> None:
    """Where a step leads to ready by itself, or by the request, waiting has a point."""
    assert {State.ASLEEP, State.STARTING, State.READY, State.BACKOFF} == WILL_SERVE


def _draining(world: World) -> None:
    world.started()
    world.unit.stop("stop")


def _stopping(world: World) -> None:
    world.unit.start("start")
    world.unit.stop("stop")


def _failed(world: World) -> None:
    world.unit.start("start")
    world.fail(Reason.CONFIG)


def _fallen_back(world: World) -> None:
    world.started()
    world.unit.replace("B", "edit")
    world.program.spawned[0].on_exit(1)


def _swapped(_world: World) -> None:
    world = SmallWorld(10, A=6, B=6)
    world.started()
    world.replace("B")


def _then(first: Callable[[World], object], *more: Callable[[World], object]) -> object:
    return lambda world: [each(world) for each in (first, *more)]


def _start(world: World) -> None:
    world.unit.start("start")


def _stop(world: World) -> None:
    world.unit.stop("stop")


def _sleep(world: World) -> None:
    world.unit.sleep("idle")


def _exit(world: World) -> None:
    world.newest.on_exit(0)


# For each step of the table, the shortest history of a unit that takes it.
TAKEN = {
    (State.STOPPED, Event.START): _start,
    (State.STOPPED, Event.SLEEP): _sleep,
    (State.ASLEEP, Event.START): _then(_sleep, lambda world: world.unit.wake("wake")),
    (State.ASLEEP, Event.DRAIN): _then(_sleep, _stop),
    (State.STARTING, Event.READY): World.started,
    (State.STARTING, Event.CRASHED): _then(_start, _exit),
    (State.STARTING, Event.GIVE_UP): _failed,
    (State.STARTING, Event.DRAIN): _stopping,
    (State.READY, Event.DRAIN): _draining,
    (State.READY, Event.SLEEP): _then(World.started, _sleep),
    (State.READY, Event.CRASHED): _then(World.started, _exit),
    (State.READY, Event.FALL_BACK): _fallen_back,
    (State.READY, Event.MAKE_ROOM): _swapped,
    (State.READY, Event.GIVE_UP): _then(World.started, lambda world: world.fail(Reason.CONFIG)),
    (State.DRAINING, Event.EXITED): _then(_draining, _exit),
    (State.DRAINING, Event.STOP): _then(_draining, lambda world: world.unit.stop_now("now")),
    (State.DRAINING, Event.START): _then(_draining, _start),
    (State.STOPPING, Event.EXITED): _then(_stopping, _exit),
    (State.STOPPING, Event.START): _then(_stopping, _start),
    (State.BACKOFF, Event.RETRY): _then(_start, _exit, lambda world: world.clock.advance(1.0)),
    (State.BACKOFF, Event.START): _then(_start, _exit, _start),
    (State.BACKOFF, Event.DRAIN): _then(_start, _exit, _stop),
    (State.FAILED, Event.START): _then(_failed, _start),
    (State.FAILED, Event.DRAIN): _then(_failed, _stop),
}


def test_the_table_has_no_step_that_no_unit_takes() -> None:
    """Each of its steps is in the table of histories, which the next test runs."""
    assert set(TAKEN) == {(state, event) for state, steps in STEPS.items() for event in steps}


@pytest.mark.parametrize(("state", "event"), TAKEN)
def test_a_unit_takes_the_step(state: State, event: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real unit comes to ask the table for it."""
    taken: list[tuple[State, Event]] = []

    def recorded(before: State, what: Event) -> State:
        taken.append((before, what))
        return step(before, what)

    monkeypatch.setattr(unit, "step", recorded)
    TAKEN[state, event](World())  # type: ignore[operator]
    assert taken[-1] == (state, event)
