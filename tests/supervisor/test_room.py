"""What each unit holds of a device, what the device has, and so who may start."""

from typing import Any, cast

import pytest
from msgspec import structs

from fakes.rooms import GIBIBYTE, SmallWorld
from fakes.units import engine_ready, heartbeat
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor import room as rooms
from serve_daemon.supervisor.placement import Holding, Placement


def gibibytes(holding: Holding) -> tuple[float, float, float]:
    return tuple(  # type: ignore[return-value]
        each / GIBIBYTE for each in (holding.now, holding.soon, holding.wanted)
    )


def held(world: SmallWorld) -> tuple[float, float, float]:
    return gibibytes(world.small.room.holding(world.unit, "cpu"))


def test_a_unit_holds_what_its_processes_take_at_their_most() -> None:
    """In each part of its life."""
    world = SmallWorld(20, A=6, B=7)
    assert held(world) == (0, 0, 0)
    world.unit.start("test")
    assert held(world) == (6, 6, 6)
    old = world.ready()
    world.replace("B")
    assert held(world) == (13, 7, 7)
    world.ready()
    assert held(world) == (13, 7, 7)
    old.on_exit(0)
    assert held(world) == (7, 7, 7)
    world.newest.on_exit(1)
    assert held(world) == (0, 7, 7)
    world.clock.advance(1.0)
    world.unit.stop("test")
    assert held(world) == (7, 0, 0)
    world.newest.on_exit(0)
    assert held(world) == (0, 0, 0)


def test_what_needs_more_than_it_may_take_is_refused() -> None:
    """By the limit of its own, however much there is; on a GPU nobody knows."""
    world = SmallWorld(20, A=6)
    room = world.small.room
    assert room.exceeds("A", 6 * GIBIBYTE) == ""  # type: ignore[arg-type]
    assert room.exceeds("A", 0) == ""  # type: ignore[arg-type]
    message = room.exceeds("A", 5 * GIBIBYTE)  # type: ignore[arg-type]
    assert message.startswith(
        "needs 6.0GiB at least, and its memory_max is 5.0GiB; raise that, or "
    )
    world.small.own_limit = 5 * GIBIBYTE
    world.unit.start("test")
    assert world.unit.state == "failed"
    assert world.unit.reason == f"no-room: {message}"
    world.small.own_limit = 6 * GIBIBYTE
    world.unit.start("test")
    assert world.unit.state == "starting"


def test_a_swap_holds_the_place_of_what_comes() -> None:
    """So that nobody else takes it while the old one leaves."""
    world = SmallWorld(10, A=6, B=7)
    world.started()
    world.replace("B")
    assert held(world) == (6, 7, 7)


def test_what_took_more_than_expected_counts_with_that() -> None:
    """A true peak beats an estimate, and an engine that is still to grow beats its peak so far."""
    world = SmallWorld(20, A=6)
    engine = world.started()
    beat = heartbeat()
    engine.on_message(structs.replace(beat, peak_bytes=8 * GIBIBYTE))
    assert held(world) == (8, 8, 8)
    engine.on_message(structs.replace(beat, peak_bytes=1 * GIBIBYTE))
    assert held(world) == (6, 6, 6)


def test_what_nothing_is_known_of_counts_with_its_peak_where_it_runs() -> None:
    """Once it is ready; before that it doesn't count."""
    world = SmallWorld(20, A=6)
    world.small.machine.unknown = {"A"}
    world.unit.start("test")
    assert held(world) == (0, 0, 0)
    world.newest.on_message(structs.replace(engine_ready(), peak_bytes=3 * GIBIBYTE))
    assert held(world) == (3, 3, 3)
    assert gibibytes(world.small.room.holding(world.unit, "cuda:0")) == (0, 0, 0)


def test_what_is_downloaded_by_now_is_known() -> None:
    """The estimate is made anew until there is one."""
    world = SmallWorld(20, A=6)
    world.small.machine.unknown = {"A"}
    assert world.small.room.need(cast("Any", "A")) is None
    world.small.machine.unknown = set()
    need = world.small.room.need(cast("Any", "A"))
    assert need is not None
    assert need.estimate.total == 6 * GIBIBYTE


def test_devices_have_nothing_to_do_with_each_other() -> None:
    """A full CPU is no reason against a GPU."""
    world = SmallWorld(10, A=6, B=6)
    world.small.models["B"] = Model(source="B", max_requests=6, device="cuda:1")
    world.started()
    world.replace("B")
    assert world.specs() == ["A", "B"]


@pytest.mark.parametrize(
    ("limit", "free", "capacity"),
    [(10, 3, 5), (4, 3, 4), (0, 3, 5), (10, None, 10), (0, None, None)],
)
def test_a_device_has_what_is_free_and_what_engines_have(
    limit: int, free: int | None, capacity: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the limit of the file, where there is one."""
    world = SmallWorld(0, A=6)
    world.started()
    monkeypatch.setattr(rooms, "resident_bytes", lambda _pid: 2 * GIBIBYTE)
    world.small.gibibytes = limit
    if free is not None:
        world.small.machine.free_bytes["cpu"] = free * GIBIBYTE
    wanted = None if capacity is None else capacity * GIBIBYTE
    assert world.small.room.capacity("cpu") == wanted


def test_on_a_gpu_an_engine_has_what_it_says() -> None:
    """The kernel does not know."""
    world = SmallWorld(0, A=6)
    world.small.models["A"] = Model(source="A", max_requests=6, device="cuda:0")
    world.small.machine.free_bytes["cuda:0"] = 8 * GIBIBYTE
    world.unit.start("test")
    assert world.small.room.capacity("cuda:0") == 8 * GIBIBYTE
    world.newest.on_message(structs.replace(engine_ready(), peak_bytes=2 * GIBIBYTE))
    assert world.small.room.capacity("cuda:0") == 10 * GIBIBYTE


def test_headers_are_read_once_and_before_each_start() -> None:
    """Of what runs the need stays what it was; files may be others when it starts again."""
    world = SmallWorld(20, A=1)
    world.started()
    world.small.models["A"] = Model(max_requests=2)
    assert held(world) == (1, 1, 1)
    world.newest.on_exit(1)
    world.clock.advance(1.0)
    assert held(world) == (2, 2, 2)


def test_it_reconsiders_once_however_much_has_changed() -> None:
    """When the change is complete, not in the midst of it."""
    world = SmallWorld(10, A=6, B=5)
    other = world.beside("B")
    other.unit.stop("test")
    world.unit.start("test")
    other.newest.on_exit(0)
    for _ in range(3):
        world.small.room.reconsider_soon()
    assert world.specs() == []
    world.clock.advance(0.0)
    assert world.specs() == ["A"]


def test_a_refusal_tells_of_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is needed, what for, and what is to be had."""
    world = SmallWorld(10, A=6, B=5)
    world.beside("B")
    parts = Estimate(1 * GIBIBYTE, 2 * GIBIBYTE, 0, 0)

    def estimate(_launch: object, model: Model) -> Estimate:
        return structs.replace(parts, kv_cache=model.max_requests * GIBIBYTE)

    monkeypatch.setattr(world.small.machine, "estimate", estimate)
    decision = world.small.room.place(world.unit)
    assert decision.placement is Placement.REFUSE
    assert decision.reason == (
        "needs 9.0GiB on cpu (weights 2.0GiB, keys and values 6.0GiB), and 5.0GiB are to be had,"
        " beside the 5.0GiB of others; lower max_requests from 6 to 2"
    )


def test_who_chooses_its_cache_by_what_is_free_makes_do() -> None:
    """It starts where its least fits, and counts with that until it has taken more."""
    world = SmallWorld(10, A=20, B=6)
    world.small.machine.least["A"] = 3 * GIBIBYTE
    world.beside("B")
    engine = world.started()
    assert held(world) == (3, 3, 3)
    engine.on_message(structs.replace(heartbeat(), peak_bytes=4 * GIBIBYTE))
    assert held(world) == (4, 4, 4)


def test_who_would_like_more_room_than_there_is_beside_it_swaps() -> None:
    """So that the next engine has all of it."""
    world = SmallWorld(10, A=5, B=9)
    world.small.machine.least["B"] = 3 * GIBIBYTE
    old = world.started()
    world.replace("B")
    assert (world.specs(), world.unit.serving) == (["A"], None)
    old.on_exit(0)
    assert world.specs() == ["A", "B"]
