"""Models that sleep, as the manager has it."""

from collections.abc import Callable

import pytest
from msgspec import structs

from fakes.managed import Managed
from fakes.units import heartbeat
from serve_daemon.supervisor.status import summary
from serve_daemon.wire.messages import Drain
from serve_daemon.wire.routing import Wake

Make = Callable[[str], Managed]

SLEEPY = '[models.m]\nsource = "/models/m"\nidle_timeout = 5.0\n'
LATE = '[models.m]\nsource = "/models/m"\npreload = false\n'


def idle(world: Managed, seconds: float) -> None:
    beat = structs.replace(heartbeat(), idle_seconds=seconds)
    world.engines("m")[-1].listener.on_message(beat)
    world.manager.check()


def test_an_idle_model_is_put_to_sleep(managed: Make) -> None:
    """Gateways wait for it then, and its engine drains once none of them knows it."""
    world = managed(SLEEPY)
    world.started()
    idle(world, 4.0)
    assert world.route("m").state == "ready"
    idle(world, 5.0)
    assert (world.route("m").state, world.route("m").can_wait) == ("asleep", True)
    assert world.route("m").engines == []
    (engine,) = world.engines("m")
    assert engine.sent(Drain) == []
    world.gateway.apply_routes()
    assert engine.sent(Drain) == [Drain()]
    assert "m: asleep" in summary(world.manager)


def test_a_gateway_wakes_a_model(managed: Make) -> None:
    """Once, however many ask; a model that is gone wakes nothing."""
    world = managed(LATE)
    world.started()
    assert world.route("m").state == "asleep"
    assert world.engines("m") == []
    for name in ("m", "m", "gone"):
        world.gateway.listener.on_message(Wake(name))
    assert len(world.engines("m")) == 1
    world.engines("m")[0].ready()
    assert len(world.route("m").engines) == 1


@pytest.mark.parametrize(("old", "new"), [('"/models/m"', '"/models/n"'), ("false", "true")])
def test_an_edit_wakes_nobody(managed: Make, old: str, new: str) -> None:
    """The next engine runs what the file says by then."""
    world = managed(LATE)
    world.started()
    world.file.write_text(world.file.read_text().replace(old, new))
    loaded = world.load()
    generation = world.manager.reconfigure("m", loaded.models["m"], "edit")
    assert world.manager.models["m"].unit.outcome(generation) == ""
    assert world.manager.models["m"].settings == loaded.models["m"]
    assert world.engines("m") == []


def test_a_sleeper_needs_no_cores(managed: Make) -> None:
    """The others get its share until it wakes."""
    both = LATE + '[models.n]\nsource = "/models/n"\n'
    world = managed(both)
    world.started()
    alone = world.manager.models["n"].threads
    world.manager.wake("m")
    assert world.manager.models["n"].threads == max(alone // 2, 1)
