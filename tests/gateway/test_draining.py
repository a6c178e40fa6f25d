"""A gateway that drains: what is open ends, nothing new begins, and it stays."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from fakes.websockets import Closed, WebSocket
from gateway.kept.keeping import assert_whole
from serve_daemon.gateway.http.draining import WORK_PATHS
from serve_daemon.wire.routing import GatewayHeartbeat, GatewaySettings

ASK: dict[str, Any] = {"model": "m", "input": "hello"}
COUNTING = {**ASK, "max_output_tokens": 100}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


async def until_drained(supervisor: FakeSupervisor) -> None:
    """As the supervisor knows it, from the next beat on."""
    said = supervisor.gateway.said
    first = len(said) + 1  # the next message may have been under way already
    await supervisor.gateway.until(lambda: any(map(is_drained, said[first:])))


def is_drained(message: object) -> bool:
    if not isinstance(message, GatewayHeartbeat):
        return False
    return message.draining and not message.unfinished


@pytest.mark.parametrize("path", sorted(WORK_PATHS))
async def test_new_work_is_refused(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, path: str
) -> None:
    """At every endpoint that has something computed, whatever the request holds; until it ends."""
    await supervisor.serve("fake:")
    await supervisor.configure(draining=True)
    refused = await client.post(path, json=ASK)
    assert refused.status_code == 503
    assert "server_draining" in refused.text or "takes no new requests" in refused.text
    assert int(refused.headers["retry-after"]) > 0
    assert refused.headers["connection"] == "close"
    await supervisor.configure(draining=False)
    assert (await client.post(path, json=ASK)).status_code != 503


async def test_every_endpoint_is_work_or_known_to_be_none(client: httpx.AsyncClient) -> None:
    """One that is new is to be thought of."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    posted = {path for path, methods in paths.items() if "post" in methods}
    free = {"/tokenize", "/detokenize", "/v1/responses/input_tokens"}
    free |= {"/v1/messages/count_tokens", "/v1/responses/{response_id}/cancel"}
    assert posted == WORK_PATHS | free


async def test_what_is_open_is_finished(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Streams, responses in the background; they can be asked for, and probes say 503."""
    await supervisor.serve("fake:text=count,token_delay=0.005")
    started = await client.post("/v1/responses", json={**COUNTING, "background": True})
    kept = started.json()["id"]
    async with client.stream("POST", "/v1/responses", json={**COUNTING, "stream": True}) as reply:
        lines = reply.aiter_lines()
        await anext(lines)
        told_before = len(supervisor.gateway.said)
        await supervisor.configure(draining=True)
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.post("/tokenize", json={"model": "m", "prompt": "x"})).is_success
        assert not any(map(is_drained, supervisor.gateway.said[told_before:]))
        text = "\n".join([line async for line in lines])
    assert f'"text":"{counting(100)}"' in text
    await until_drained(supervisor)
    assert (await client.get(f"/v1/responses/{kept}")).json()["status"] != "in_progress"
    await supervisor.configure(draining=False)
    assert (await client.get("/ready")).status_code == 200


async def test_websockets_are_sent_away(supervisor: FakeSupervisor) -> None:
    """Each once it has what it has asked for; another one is refused."""
    await supervisor.serve("fake:text=count,token_delay=0.01")
    async with WebSocket(supervisor.url) as busy, WebSocket(supervisor.url) as idle:
        await busy.send({"type": "response.create", **COUNTING})
        events = [await busy.receive()]
        await supervisor.configure(draining=True)
        with pytest.raises(Closed) as closed:
            await idle.receive()
        assert closed.value.code == 1001
        while events[-1]["type"] != "response.incomplete":
            events.append(await busy.receive())
        with pytest.raises(Closed):
            await busy.receive()
    assert_whole(events, counting(100))
    async with WebSocket(supervisor.url) as late:
        assert late.status == 503
    await supervisor.configure(draining=False)
    async with WebSocket(supervisor.url) as again:
        assert again.status == 101
