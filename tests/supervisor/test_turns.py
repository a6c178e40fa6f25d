"""Whose turn it is, of several units that a change takes one after the other."""

from fakes.units import World
from serve_daemon.supervisor.turns import Turns


def begin(turns: Turns, world: World, spec: str) -> None:
    """It has its turn."""
    turns.begin(world.unit, world.unit.replace(spec, "edit"))


def test_each_waits_until_the_one_before_serves() -> None:
    """So that there is always one that serves."""
    first, second = World(), World()
    for each in (first, second):
        each.started()
    turns = Turns([first.unit, second.unit])
    assert turns.is_over
    turns.plan([(first.unit, "B"), (second.unit, "B")], force=False)
    assert turns.next() is first.unit
    begin(turns, first, "B")
    assert turns.next() is None
    assert turns.outcome() is None
    assert not turns.is_over
    assert not turns.has_worked
    first.ready()
    assert turns.next() is second.unit
    assert turns.has_worked
    begin(turns, second, "B")
    second.ready()
    assert turns.next() is None
    assert turns.is_over
    assert turns.outcome() == ""


def test_who_serves_nobody_has_nothing_to_lose() -> None:
    """Its turn is at once, whatever the others do."""
    serving, crashed = World(), World()
    for each in (serving, crashed):
        each.started()
    crashed.newest.on_exit(1)
    turns = Turns([serving.unit, crashed.unit])
    turns.plan([(serving.unit, "B"), (crashed.unit, "B")], force=False)
    assert turns.next() is crashed.unit


def test_who_moves_already_is_first() -> None:
    """A change on top of one that is under way makes no second one load beside it."""
    resting, moving = World(), World()
    for each in (resting, moving):
        each.started()
    moving.unit.replace("B", "edit")
    turns = Turns([resting.unit, moving.unit])
    turns.plan([(resting.unit, "C"), (moving.unit, "C")], force=False)
    assert turns.next() is moving.unit


def test_who_runs_it_already_has_no_turn_unless_forced() -> None:
    """`restart` is a change to the same."""
    world = World()
    world.started()
    turns = Turns([world.unit])
    turns.plan([(world.unit, "A")], force=False)
    assert turns.waiting == []
    turns.plan([(world.unit, "A")], force=True)
    assert turns.waiting == [world.unit]


def test_who_has_stopped_has_a_turn() -> None:
    """Although its spec is the same."""
    world = World()
    turns = Turns([world.unit])
    turns.plan([(world.unit, "A")], force=False)
    assert turns.next() is world.unit
    begin(turns, world, "A")
    assert turns.outcome() == "stopped meanwhile"
    assert not turns.has_worked
