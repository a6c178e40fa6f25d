"""The routing table by itself: who is let in, and who answers."""

import asyncio
from typing import Any

import pytest

from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.wire.routing import Route, Routes, Wake


def route(model: str = "m", **fields: Any) -> Route:
    known: dict[str, Any] = {
        "aliases": ["default"],
        "state": "starting",
        "reason": "",
        "can_wait": True,
        "queue_timeout": 1.0,
        "max_queue": 2,
        "created": 0,
        "engines": [],
    }
    return Route(model=model, **(known | fields))


def table_of(*routes: Route, woken: list[Any] | None = None) -> RoutingTable:
    told: list[Any] = [] if woken is None else woken
    table = RoutingTable(told.append)
    table.apply(Routes(1, list(routes)))
    return table


def status_of(table: RoutingTable, name: str) -> int:
    """What a request for the model is answered with; 0 if it is let in."""
    try:
        table.admit(name, "")
    except ApiError as error:
        return error.status
    return 0


def test_a_model_is_found_by_its_name_and_its_aliases() -> None:
    """And under no other name."""
    table = table_of(route("m"), route("other", aliases=[]))
    assert table.find("m").model == table.find("default").model == "m"
    assert table.find("other").model == "other"
    with pytest.raises(ApiError, match="'M' does not exist"):
        table.find("M")


def test_a_table_replaces_the_one_before() -> None:
    """Names and aliases that are absent are gone."""
    table = table_of(route("m"))
    table.apply(Routes(2, [route("new", aliases=["m"])]))
    assert table.find("m").model == "new"
    assert status_of(table, "default") == 404


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 0),
        ({"state": "backoff"}, 0),
        ({"state": "stopped", "can_wait": False}, 503),
        ({"state": "failed", "can_wait": False, "reason": "no such file"}, 503),
    ],
)
async def test_only_who_may_hope_is_let_in(fields: dict[str, Any], status: int) -> None:
    """A model that comes back is waited for."""
    assert status_of(table_of(route(**fields)), "m") == status


async def test_the_queue_is_bounded_and_counted_per_model() -> None:
    """Whoever leaves makes room for one more."""
    table = table_of(route("m"), route("other", aliases=[]))
    _, turn = table.admit("m", "")
    table.admit("default", "")
    assert status_of(table, "m") == 429
    assert status_of(table, "other") == 0
    turn.end()
    assert status_of(table, "m") == 0
    assert status_of(table, "m") == 429


async def test_gateways_that_share_the_sockets_share_the_queue() -> None:
    """Each takes its part, rounded up."""
    table = table_of(route(max_queue=3))
    table.num_workers = 2
    table.admit("m", "")
    table.admit("m", "")
    assert status_of(table, "m") == 429


async def test_a_table_with_other_limits_holds_at_once() -> None:
    """For who comes next: nobody is turned out who was let in."""
    table = table_of(route(max_queue=2))
    turns = [table.admit("m", "")[1] for _ in range(2)]
    table.apply(Routes(2, [route(max_queue=3)]))
    turns.append(table.admit("m", "")[1])
    table.apply(Routes(3, [route(max_queue=1)]))
    assert status_of(table, "m") == 429
    assert not any(turn.has_come() for turn in turns)
    for turn in turns:
        assert status_of(table, "m") == 429
        turn.end()
    assert status_of(table, "m") == 0


def test_a_model_that_is_asleep_is_woken_once_a_table() -> None:
    """And one that is awake is not."""
    woken: list[Any] = []
    table = table_of(route(state="asleep"), route("other", aliases=[]), woken=woken)
    for model in ("m", "m", "other"):
        table.wake(model)
    assert woken == [Wake("m")]
    table.apply(Routes(2, [route(state="asleep")]))
    table.wake("m")
    assert woken == [Wake("m"), Wake("m")]


def test_no_engine_is_there_before_one_is_connected() -> None:
    """The request waits; it is refused once the model can't come any more."""
    table = table_of(route())
    assert table.engine("m") is None
    table.apply(Routes(2, [route(state="failed", can_wait=False, reason="gone")]))
    with pytest.raises(ApiError, match="The model 'm' is failed: gone"):
        table.engine("m")


async def test_waiting_ends_with_a_new_table_or_with_its_time() -> None:
    """Whichever comes first."""
    table = table_of(route())
    _, turn = table.admit("m", "")
    await turn.wait(0.001)
    waiting = asyncio.ensure_future(turn.wait(1000))
    await asyncio.sleep(0)
    assert not waiting.done()
    table.apply(Routes(2, [route()]))
    await waiting
    assert waiting.done()
