"""Who may be put to sleep."""

import pytest
from msgspec import structs

from fakes.units import World, heartbeat
from serve_daemon.supervisor.idleness import Activity, activity, may_sleep

IDLE, BUSY, LOADING = Activity(True, 5.0), Activity(True, 0.0), Activity(False, 5.0)


@pytest.mark.parametrize(
    ("activities", "timeout", "may"),
    [
        ([IDLE], 5.0, True),
        ([IDLE], 5.5, False),
        ([IDLE], 0.0, False),
        ([BUSY], 0.0, False),
        ([BUSY], 1.0, False),
        ([LOADING], 1.0, False),
        ([IDLE, IDLE], 5.0, True),
        ([IDLE, BUSY], 5.0, False),
        ([IDLE, LOADING], 5.0, False),
        ([], 1.0, False),
    ],
)
def test_a_model_sleeps_when_all_of_it_is_idle(
    activities: list[Activity], timeout: float, may: bool
) -> None:
    """For as long as the file says, where 0 is never."""
    assert may_sleep(activities, timeout) is may


def test_what_is_settled() -> None:
    """A unit that serves, with nothing beside it; it is as idle as its engine says."""
    world = World()
    assert activity(world.unit) == Activity(False, 0.0)
    engine = world.started()
    assert activity(world.unit) == Activity(True, 0.0)
    engine.on_message(structs.replace(heartbeat(), idle_seconds=7.0))
    assert activity(world.unit) == Activity(True, 7.0)
    world.unit.replace("B", "edit")
    assert activity(world.unit) == Activity(False, 7.0)
    world.ready()
    assert activity(world.unit) == Activity(False, 0.0)
    engine.on_exit(0)
    assert activity(world.unit) == Activity(True, 0.0)
