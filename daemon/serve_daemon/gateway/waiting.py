"""Waiting for an engine, in steps that are short enough to tell the client that it is alive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.errors import unavailable
from serve_daemon.gateway.routes import RoutingTable
from serve_daemon.gateway.turns import Turn

IDLE_SECONDS = 1.0  # how often a waiting client hears of us


async def wait_for_turn(
    table: RoutingTable, model: str, turn: Turn, choose: Callable[[], Engine | None]
) -> AsyncIterator[Engine | None]:
    """None every second, and at last the engine chosen, once the turn has come.

    Raises `ApiError` as `wait_for_engine` does. While an engine is ready, the turn and the choice
    are waited for without limit: those who are in front of us end.
    """

    def find() -> Engine | None:
        return choose() if turn.has_come else None

    async for engine in _wait(table, model, find, turn.wait):
        yield engine


async def wait_for_engine(table: RoutingTable, model: str) -> AsyncIterator[Engine | None]:
    """None every second, and at last an engine.

    Raises `ApiError` 503 if none was ready for the model's `queue_timeout`, or none will be.
    """
    async for engine in _wait(table, model, lambda: table.engine(model), table.wait_for_change):
        yield engine


async def _wait(
    table: RoutingTable,
    model: str,
    find: Callable[[], Engine | None],
    wait: Callable[[float], Awaitable[None]],
) -> AsyncIterator[Engine | None]:
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
        await wait(max(0.0, min(word_at - loop.time(), left)))
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
