"""What becomes of responses where they can't be kept, or no longer."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from gateway.kept.keeping import assert_whole, events_of
from serve_daemon.gateway.store.database import NAME
from serve_daemon.wire.routing import GatewaySettings

ASK: dict[str, Any] = {"model": "m", "input": "hello"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


async def test_a_stream_outlives_its_database(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Whoever reads it gets it whole; that it can't be taken up again is logged, once."""
    await supervisor.serve("fake:text=count,token_delay=0.005")
    database = supervisor.directory / "state" / NAME
    body = {**ASK, "max_output_tokens": 150, "stream": True}
    events = []
    async with client.stream("POST", "/v1/responses", json=body) as reply:
        async for event in events_of(reply):
            events.append(event)
            if len(events) == 40:
                with sqlite3.connect(database) as connection:
                    connection.execute("ALTER TABLE journal RENAME TO hidden")
    assert_whole(events, counting(150))
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE hidden RENAME TO journal")
    said = [line for line in supervisor.gateway.lines if "can't be kept" in line]
    assert 1 <= len(said) <= 2
    reply = await client.post("/v1/responses", json={**ASK, "max_output_tokens": 5})
    assert (await client.get(f"/v1/responses/{reply.json()['id']}")).json() == reply.json()


async def test_who_insists_is_told_and_others_go_on(supervisor: FakeSupervisor) -> None:
    """Where the database can't be opened: it is logged, once, with the reason."""
    state = supervisor.directory / "file"
    state.touch()
    await supervisor.gateway.end()
    supervisor.settings = GatewaySettings(state_directory=str(state))
    gateway = await supervisor.start_gateway()
    await supervisor.serve("fake:")
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        reply = await client.post("/v1/responses", json=ASK)
        assert (reply.status_code, reply.json()["store"]) == (200, False)
        for replies in (
            await client.post("/v1/responses", json={**ASK, "store": True}),
            await client.post("/v1/responses", json={**ASK, "background": True}),
            await client.post("/v1/responses", json={**ASK, "previous_response_id": "resp_1"}),
            await client.get("/v1/responses/resp_1"),
            await client.delete("/v1/responses/resp_1"),
        ):
            assert replies.status_code == 503
            assert replies.json()["error"]["code"] == "store_unavailable"
            assert str(state) in replies.json()["error"]["message"]
    assert len([line for line in gateway.lines if "no response is kept" in line]) == 1
