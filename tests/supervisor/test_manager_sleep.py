"""Models that sleep, as the manager has it."""

from collections.abc import Callable

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


def test_an_edit_wakes_nobody(managed: Make) -> None:
    """The next engine runs what the file says by then."""
    world = managed(LATE)
    world.started()
    world.file.write_text(world.file.read_text().replace('"/models/m"', '"/models/n"'))
    loaded = world.load()
    generation = world.manager.reconfigure("m", loaded.models["m"], "edit")
    assert world.manager.models["m"].unit.outcome(generation) == ""
    assert world.manager.models["m"].settings == loaded.models["m"]
    assert world.engines("m") == []


def test_who_is_to_be_loaded_from_now_on_wakes(managed: Make) -> None:
    """As it would with the next start of the daemon; only the edit that says so wakes it."""
    world = managed(LATE)
    world.started()
    early = world.manager.models["m"].settings.model_copy(update={"preload": True})
    generation = world.manager.reconfigure("m", early, "edit")
    assert world.manager.models["m"].unit.outcome(generation) is None
    world.engines("m")[0].ready()
    assert world.manager.models["m"].unit.outcome(generation) == ""
    world.manager.models["m"].unit.sleep("idle")
    world.gateway.apply_routes()
    later = early.model_copy(update={"max_queue": 1})
    world.manager.reconfigure("m", later, "edit")
    assert world.route("m").state == "asleep"


def test_a_sleeper_needs_no_cores(managed: Make) -> None:
    """The others get its share until it wakes."""
    both = LATE + '[models.n]\nsource = "/models/n"\n'
    world = managed(both)
    world.started()
    alone = world.manager.models["n"].threads
    world.manager.wake("m")
    assert world.manager.models["n"].threads == max(alone // 2, 1)
