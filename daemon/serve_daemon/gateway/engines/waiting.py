"""Waiting for an engine, in steps that are short enough to tell the client that it is alive."""

import asyncio
from collections.abc import AsyncIterator, Callable

from serve_daemon.gateway.common.errors import unavailable
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.engines.turns import Turn

IDLE_SECONDS = 1.0  # how often a waiting client hears of us


async def wait_for_engine(
    table: RoutingTable, model: str, turn: Turn
) -> AsyncIterator[Engine | None]:
    """None every second, and at last an engine. Raises as `wait_for` does."""

    def find() -> Engine | None:
        turn.has_come()  # or was pushed out
        return table.engine(model)

    async for engine in wait_for(table, model, turn, find):
        yield engine


async def wait_for_turn(turn: Turn, seconds: float) -> None:
    """Return when the turn has come, or after so long.

    Raises `ApiError` 429 when it was pushed out.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not turn.has_come() and (left := until - loop.time()) > 0:
        await turn.wait(left)


async def wait_for(
    table: RoutingTable, model: str, turn: Turn, find: Callable[[], Engine | None]
) -> AsyncIterator[Engine | None]:
    """None every second, and at last what `find` finds, tried whenever the turn's bell rings.

    Raises `ApiError` 503 if none was ready for the model's `queue_timeout`, or none will be. While
    one is ready, it is waited for without limit: what keeps the request from it ends.
    """
    loop = asyncio.get_running_loop()
    since = loop.time()  # no engine was ready
    word_at = since + IDLE_SECONDS
    while (engine := find()) is None:
        if table.ready_engines(model):
            since = loop.time()
        table.wake(model)
        left = since + table.find(model).queue_timeout - loop.time()
        if left <= 0:
            raise _too_late(table, model)
        await turn.wait(max(0.0, min(word_at - loop.time(), left)))
        if loop.time() >= word_at:
            yield None
            word_at = loop.time() + IDLE_SECONDS
    yield engine


def _too_late(table: RoutingTable, model: str) -> Exception:
    route = table.find(model)
    return unavailable(
        f"The model '{model}' is {route.state}, and was not ready within"
        f" {route.queue_timeout:g} seconds."
    )
