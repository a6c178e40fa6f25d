"""When an engine may go: once no gateway that accepts can begin anything there any more."""

import signal
from collections.abc import Callable

import pytest

from fakes.managed import Managed, Spawned
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import Drain, Reason
from serve_daemon.wire.routing import EngineEnded, Routes, RoutesApplied

Make = Callable[[str], Managed]

ONE = (
    '[models.m]\nsource = "/models/m"\naliases = ["default"]\nqueue_timeout = 9.0\nmax_queue = 3\n'
)


def second_gateway(world: Managed) -> Spawned:
    """A second gateway that loads beside the first."""
    world.manager.gateway.replace(world.manager.gateway.spec, "test", force=True)
    return world.gateway


def withdrawn(world: Managed) -> Spawned:
    """The engine of `m`, taken out of the table."""
    world.manager.models["m"].unit.stop("stop")
    (engine,) = world.engines("m")
    return engine


def test_an_engine_goes_when_every_gateway_knows(managed: Make) -> None:
    """The table without it is published first, and an older one is not enough."""
    world = managed(ONE)
    world.started()
    before = world.gateway.sent(Routes)[-1].version
    engine = withdrawn(world)
    assert world.route("m").engines == []
    assert not engine.sent(Drain)
    world.gateway.listener.on_message(RoutesApplied(before))
    assert not engine.sent(Drain)
    world.gateway.apply_routes()
    assert engine.sent(Drain) == [Drain()]


def test_all_that_accept_must_know(managed: Make) -> None:
    """Also the gateway that leaves: it has requests open, which may still begin something."""
    world = managed(ONE)
    world.started()
    old, new = world.gateway, second_gateway(world)
    new.ready()
    engine = withdrawn(world)
    new.apply_routes()
    assert not engine.sent(Drain)
    old.apply_routes()
    assert engine.sent(Drain) == [Drain()]


@pytest.mark.parametrize("is_leaving", [True, False])
def test_a_gateway_that_dies_is_not_waited_for(managed: Make, is_leaving: bool) -> None:
    """It can begin nothing any more."""
    world = managed(ONE)
    world.started()
    dies = world.gateway
    if is_leaving:
        second_gateway(world).ready()
    engine = withdrawn(world)
    if is_leaving:
        world.gateway.apply_routes()
    assert not engine.sent(Drain)
    dies.listener.on_exit(-9)
    assert engine.sent(Drain) == [Drain()]


def test_a_gateway_that_starts_is_not_waited_for(managed: Make) -> None:
    """It accepts nothing yet, and has the newer table before it does."""
    world = managed(ONE)
    world.started()
    old, starting = world.gateway, second_gateway(world)
    engine = withdrawn(world)
    old.apply_routes()
    assert engine.sent(Drain) == [Drain()]
    assert starting.sent(Routes)[-1].routes[0].engines == []


def test_without_a_gateway_an_engine_goes_at_once(managed: Make) -> None:
    """Nobody could begin anything there."""
    world = managed(ONE)
    world.started()
    world.gateway.listener.on_exit(-9)
    assert withdrawn(world).sent(Drain) == [Drain()]


def test_an_engine_that_dies_while_it_waits_is_forgotten(managed: Make) -> None:
    """Its end is an end, the table's later news don't matter."""
    world = managed(ONE)
    world.started()
    engine = withdrawn(world)
    engine.listener.on_exit(-9)
    world.gateway.apply_routes()
    assert not engine.sent(Drain)
    assert world.manager.models["m"].unit.state is State.STOPPED


def test_a_replaced_engine_is_out_of_the_table_and_the_new_one_in_it(managed: Make) -> None:
    """In the very same table: there is no moment without an engine."""
    world = managed(ONE)
    world.started()
    world.manager.restart("m", "test")
    old, new = world.engines("m")
    world.gateway.process.sent.clear()
    new.ready()
    seen = [
        [address.engine_id for address in table.routes[0].engines]
        for table in world.gateway.sent(Routes)
    ]
    assert seen
    assert all(each == [new.instance.identity] for each in seen)
    world.gateway.apply_routes()
    assert old.sent(Drain) == [Drain()]


def test_versions_count_up(managed: Make) -> None:
    """Each table is newer than all before, for every gateway."""
    world = managed(ONE)
    world.started()
    withdrawn(world)
    versions = [each.version for each in world.gateway.sent(Routes)]
    assert versions == sorted(set(versions))
    assert second_gateway(world).sent(Routes)[0].version == versions[-1]


def test_a_route_says_all_that_a_gateway_needs(managed: Make) -> None:
    """Names, patience, and why there is nothing to wait for."""
    world = managed(ONE)
    world.start()
    world.engines("m")[0].fail(Reason.SOURCE, "no such file")
    route = world.route("m")
    assert (route.model, route.aliases) == ("m", ["default"])
    assert (route.queue_timeout, route.max_queue) == (9.0, 3)
    assert (route.state, route.can_wait) == ("failed", False)
    assert route.reason == "source: no such file"
    assert route.created > 0


def test_every_gateway_hears_why_an_engine_is_gone(managed: Make) -> None:
    """Also one that leaves, whose requests may have been there."""
    world = managed(ONE)
    world.started()
    second_gateway(world).ready()
    (engine,) = world.engines("m")
    engine.listener.on_exit(-signal.SIGABRT)
    ended = EngineEnded(engine.instance.identity, is_own_making=True, reason="killed by SIGABRT")
    assert len(world.gateways()) == 2
    for gateway in world.gateways():
        assert gateway.sent(EngineEnded) == [ended]


def test_of_an_engine_that_lives_no_end_is_told(managed: Make) -> None:
    """Its connection may have broken for another reason."""
    world = managed(ONE)
    world.started()
    (engine,) = world.engines("m")
    world.manager.routing.tell_end(engine.instance)
    assert world.gateway.sent(EngineEnded) == []
