"""Waiting for an engine, in steps that are short enough to tell the client that it is alive."""

import asyncio
from collections.abc import AsyncIterator, Collection

from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.errors import unavailable
from serve_daemon.gateway.routes import RoutingTable
from serve_daemon.gateway.turns import Turn

IDLE_SECONDS = 1.0  # how often a waiting client hears of us


async def wait_for_turn(
    table: RoutingTable, model: str, turn: Turn, avoid: Collection[str] = ()
) -> AsyncIterator[Engine | None]:
    """None every second, and at last the engine, once the turn has come, too.

    Raises `ApiError` as `wait_for_engine` does; the turn alone is waited for without limit, since
    those who have theirs end.
    """
    while True:
        async for engine in wait_for_engine(table, model, avoid):
            if engine is None:
                yield None
            elif turn.has_come:
                yield engine
                return
            else:
                await turn.wait(IDLE_SECONDS)
                yield None


async def wait_for_engine(
    table: RoutingTable, model: str, avoid: Collection[str] = ()
) -> AsyncIterator[Engine | None]:
    """None every second, and at last the engine.

    Raises `ApiError` 503 if none came within the model's `queue_timeout`, or none will.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while (engine := table.engine(model, avoid)) is None:
        route = table.find(model)
        left = begun + route.queue_timeout - loop.time()
        if left <= 0:
            raise unavailable(
                f"The model '{model}' is {route.state}, and was not ready within"
                f" {route.queue_timeout:g} seconds."
            )
        await table.wait_for_change(min(IDLE_SECONDS, left))
        yield None
    yield engine
