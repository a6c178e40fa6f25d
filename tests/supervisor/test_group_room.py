"""Replicas on a machine that hasn't room for all that one may wish."""

import pytest

from fakes.rooms import SmallGroup
from fakes.units import sent_to
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason


def test_replicas_swap_one_after_the_other_while_the_rest_serve() -> None:
    """The table is never empty, and each waits until the one before is settled."""
    world = SmallGroup(10, "AA", A=5, B=5)
    first, second = world.started()
    generation = world.replace("BB")
    assert (world.group.state, world.serving) == (State.READY, [second])
    first.on_exit(0)
    assert world.serving == [second]
    world.ready()
    assert world.specs() == "B"
    assert sent_to(second) == [Drain()]
    second.on_exit(0)
    world.ready()
    assert (world.specs(), world.group.outcome(generation)) == ("BB", "")


def test_a_replica_that_has_no_room_is_refused_and_the_others_serve() -> None:
    """Two of three fit; the third starts once there is room for it."""
    world = SmallGroup(10, "AAA", A=5)
    generation = world.group.start("test")
    world.ready(2)
    assert world.group.state is State.READY
    assert (world.group.outcome(generation) or "").startswith("no-room: needs 5.0GiB")
    world.small.gibibytes = 15
    world.small.room.reconsider()
    world.ready()
    assert (len(world.serving), world.group.outcome(generation)) == (3, "")


def test_more_replicas_than_fit_are_not_added() -> None:
    """There are as many as before."""
    world = SmallGroup(10, "AA", A=5)
    before = world.started()
    generation = world.replace("AAA")
    assert (world.group.outcome(generation) or "").startswith("no-room: ")
    assert (world.serving, len(world.group.units)) == (before, 2)


@pytest.mark.parametrize("reason", [Reason.CONFIG, Reason.INTERNAL])
def test_a_swap_that_fails_takes_all_back(reason: Reason) -> None:
    """The one that left for it comes back at once, the other has never left."""
    world = SmallGroup(10, "AA", A=5, B=5)
    first, second = world.started()
    generation = world.replace("BB")
    first.on_exit(0)
    world.fail(reason)
    world.ready()
    assert world.specs() == "AA"
    assert second in world.serving
    assert world.group.outcome(generation) == f"{reason}: as told"


def test_fewer_and_larger_replicas_take_the_place_of_many() -> None:
    """The surplus leaves first, where the rest has no room otherwise."""
    world = SmallGroup(12, "AAA", A=4, B=6)
    world.started()
    generation = world.replace("BB")
    while any(world.obey()):
        assert world.serving
    assert (world.specs(), world.group.outcome(generation)) == ("BB", "")
    assert len(world.group.instances()) == 2


def test_what_can_not_fit_for_all_touches_none() -> None:
    """Those whose turn has not come count with what they are to run."""
    world = SmallGroup(12, "AA", A=4, B=7)
    before = world.started()
    generation = world.replace("BB")
    assert (world.group.outcome(generation) or "").startswith("no-room: needs 7.0GiB")
    assert world.serving == before
    assert len(world.program.spawned) == 2
