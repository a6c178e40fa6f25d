"""Waiting for an engine, in steps that are short enough to tell the client that it is alive."""

import asyncio
from collections.abc import AsyncIterator, Collection

from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.errors import unavailable
from serve_daemon.gateway.routes import RoutingTable

IDLE_SECONDS = 1.0  # how often a waiting client hears of us


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
