"""Requests refused while everything stays, as the supervisor has it."""

import asyncio
from collections.abc import Callable

from fakes.calls import call, refused, replies
from fakes.managed import Managed
from serve_daemon.control.protocol import OPERATION_FAILED
from serve_daemon.wire.routing import ConfigureGateway, GatewayHeartbeat

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'
TWO_WORKERS = f"[server]\nworkers = 2\n{ONE}"


def beat(world: Managed, unfinished: int, *, draining: bool = True, worker: int = 0) -> None:
    """A life sign of a gateway, and the daemon's tick after it."""
    message = GatewayHeartbeat(unfinished, 0, 0, draining, unfinished)
    world.gateways()[worker].listener.on_message(message)
    world.manager.check()


async def test_it_is_over_when_nothing_is_open_anywhere(managed: Make) -> None:
    """What a gateway counted before it refused says nothing; each of them has to."""
    world = managed(TWO_WORKERS)
    world.started()
    beat(world, 0, draining=False)
    beat(world, 2, draining=False, worker=1)
    draining = asyncio.create_task(replies(world, "Drain"))
    await asyncio.sleep(0)
    for gateway in world.gateways():
        assert gateway.sent(ConfigureGateway)[-1].settings.draining
    beat(world, 0)
    await asyncio.sleep(0)
    assert not draining.done()
    beat(world, 1, worker=1)
    await asyncio.sleep(0)
    assert not draining.done()
    beat(world, 0, worker=1)
    assert [each["open_requests"] for each in await draining] == [None, 1, 0]
    assert (await call(world, "Status"))["gateway"]["draining"]


async def test_a_drain_that_takes_too_long_goes_on(managed: Make) -> None:
    """Who asked is told what is open; nothing is cut."""
    world = managed(ONE)
    world.started()
    beat(world, 3, draining=False)
    assert await replies(world, "Drain", timeout=0.0) == [{"open_requests": None}]
    beat(world, 3)
    assert await replies(world, "Drain", timeout=0.0) == [{"open_requests": 3}]
    assert world.manager.draining.is_on
    assert (
        world.messages().count("uid 0 drains it: new requests are refused, until they are resumed")
        == 1
    )


async def test_resumed(managed: Make) -> None:
    """Gateways take requests again, and who waits for the drain is told."""
    world = managed(ONE)
    world.started()
    beat(world, 1, draining=False)
    waiting = asyncio.create_task(refused(world, "Drain"))
    await asyncio.sleep(0)
    assert await call(world, "Resume") == {}
    assert (await waiting).name == OPERATION_FAILED
    assert not world.gateway.sent(ConfigureGateway)[-1].settings.draining
    assert not (await call(world, "Status"))["gateway"]["draining"]
    assert await call(world, "Resume") == {}


async def test_a_gateway_that_comes_later_refuses_from_its_start(managed: Make) -> None:
    """As after a crash, or an edit; until it counts, nothing can be open there."""
    world = managed(ONE)
    world.started()
    beat(world, 0, draining=False)
    await replies(world, "Drain", timeout=0.0)
    world.gateway.listener.on_exit(1)
    world.clock.advance(10)
    world.manager.check()
    assert world.gateway.sent(ConfigureGateway)[0].settings.draining
    assert (await replies(world, "Drain"))[-1] == {"open_requests": 0}
