"""What became of a generation, by the state of its unit."""

from collections.abc import Callable

import pytest

from fakes.units import World
from serve_daemon.supervisor.outcomes import outcome
from serve_daemon.wire.messages import Reason


def starting(world: World) -> None:
    world.unit.start("test")


def serving(world: World) -> None:
    world.started()


def replaced(world: World) -> None:
    world.started()
    world.unit.replace("B", "edit")


def asleep(world: World) -> None:
    world.started()
    world.unit.sleep("idle")


def draining(world: World) -> None:
    world.started()
    world.unit.stop("stop")


def failed(world: World) -> None:
    world.unit.start("test")
    world.fail(Reason.SOURCE, "no such file")


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (starting, None),
        (serving, ""),
        (asleep, ""),
        (replaced, "superseded by a later change"),
        (draining, "stopped meanwhile"),
        (lambda _world: None, "stopped meanwhile"),
    ],
)
def test_of_the_first_generation(history: Callable[[World], None], expected: str | None) -> None:
    """It is decided once it serves, sleeps, or never will."""
    world = World()
    history(world)
    assert outcome(world.unit, 1) == expected


def test_a_replacement_is_decided_when_it_serves() -> None:
    """What serves meanwhile is of another generation."""
    world = World()
    replaced(world)
    assert outcome(world.unit, 2) is None
    world.ready()
    assert outcome(world.unit, 2) == ""


@pytest.mark.parametrize("generation", [1, 2])
def test_what_has_failed_says_why(generation: int) -> None:
    """Whatever was asked of it."""
    world = World()
    failed(world)
    assert "no such file" in (outcome(world.unit, generation) or "")
