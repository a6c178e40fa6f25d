"""A model that is asleep is woken by whoever asks for it."""

import asyncio
from typing import Any

import httpx
import pytest

from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.routing import Wake


def wakes(supervisor: FakeSupervisor) -> int:
    return supervisor.gateway.said.count(Wake("m"))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_for_a_sleeping_model_wakes_it(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, *, stream: bool
) -> None:
    """And again if it falls asleep before its turn; then it is answered as any other."""
    asleep: dict[str, Any] = {"state": "asleep"}
    await supervisor.route("m", **asleep)
    before = wakes(supervisor)
    body = {"model": "m", "input": "hello", "stream": stream}
    answer = asyncio.ensure_future(client.post("/v1/responses", json=body))
    await supervisor.gateway.until(lambda: wakes(supervisor) == before + 1)
    await supervisor.route("m")
    await supervisor.route("m", **asleep)
    await supervisor.gateway.until(lambda: wakes(supervisor) == before + 2)
    await supervisor.serve("fake:")
    assert '"text":"hello"' in (await answer).text


async def test_a_model_that_falls_asleep_under_a_request_is_woken(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Its engine refuses what comes too late; nothing is lost by that."""
    engine = await supervisor.serve("fake:prefill=60")
    before = wakes(supervisor)
    body = {"model": "m", "input": "hello"}
    answer = asyncio.ensure_future(client.post("/v1/responses", json=body))
    await engine.until_sequences(1)
    await supervisor.route("m", state="asleep")
    engine.kill()
    await supervisor.gateway.until(lambda: wakes(supervisor) == before + 1)
    await supervisor.serve("fake:")
    assert (await answer).json()["output"][0]["content"][0]["text"] == "hello"
