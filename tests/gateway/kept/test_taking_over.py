"""Streams that outlive their gateway: taken up again, whole, in order, by whoever asks."""

import asyncio
import math
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from gateway.kept.keeping import assert_whole, events_of, resumed, some_of, until_ended
from serve_daemon.wire.routing import GatewaySettings, StopAccepting

LONG: dict[str, Any] = {
    "model": "m",
    "input": "x",
    "max_output_tokens": 300,
    "stream": True,
    "temperature": 1,
}
SOURCE = "fake:text=count,token_delay=0.005"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


async def read_then_kill(supervisor: FakeSupervisor, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a stream, up to where its gateway was killed amid it."""
    events: list[dict[str, Any]] = []
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        try:
            async with client.stream("POST", "/v1/responses", json=body) as reply:
                async for event in events_of(reply):
                    events.append(event)
                    if len(events) == 50:
                        supervisor.gateway.kill(signal.SIGKILL)
        except httpx.RemoteProtocolError:
            pass
    await supervisor.gateway.process.wait()
    assert 50 <= len(events) < 300
    return events


@pytest.mark.parametrize(
    "wish",
    [
        {"background": True},
        pytest.param({}, marks=pytest.mark.long),  # as with a whole daemon, in every run
        pytest.param({"seed": 1, "stop": ["77 78"]}, marks=pytest.mark.long),
    ],
)
async def test_a_stream_goes_on_after_its_gateway_was_killed(
    supervisor: FakeSupervisor, wish: dict[str, Any]
) -> None:
    """In the background or not; from the event after the last that was seen, or from any."""
    engine = await supervisor.serve(SOURCE)
    text = counting(300).partition("77 78")[0] if "stop" in wish else counting(300)
    seen = await read_then_kill(supervisor, {**LONG, **wish})
    await supervisor.start_gateway()
    response_id = seen[0]["response"]["id"]
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        rest = await resumed(client, response_id, seen[-1]["sequence_number"])
        assert_whole([*seen, *rest], text)
        again = await resumed(client, response_id, 9)
        assert [*seen, *rest][10:] == again
        kept = (await client.get(f"/v1/responses/{response_id}")).json()
        assert kept == again[-1]["response"]
    await engine.until_sequences(0)


async def test_several_read_one_response_at_once(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Each from where it wants to, and the one that asked may leave."""
    await supervisor.serve(SOURCE)
    seen = await some_of(client, {**LONG, "background": True}, 30)
    response_id = seen[0]["response"]["id"]
    reading = [resumed(client, response_id, after) for after in (0, 9, 29)]
    whole, later, rest = await asyncio.gather(*reading)
    assert_whole([*seen, *rest], counting(300))
    assert whole[9:] == later == [*seen, *rest][10:]


async def test_another_worker_takes_over_from_one_that_is_killed(
    supervisor: FakeSupervisor,
) -> None:
    """And whoever reads along there does not notice, but for the time that it takes."""
    await supervisor.serve("fake:text=count,token_delay=0.01")
    old = supervisor.gateway
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as first:
        body = {**LONG, "background": True, "stream": False}
        response_id = (await first.post("/v1/responses", json=body)).json()["id"]
    await supervisor.start_gateway()
    old.kill(signal.SIGSTOP)  # so that the next connection is the new one's
    async with (
        httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client,
        client.stream("GET", f"/v1/responses/{response_id}", params={"stream": "true"}) as reply,
    ):
        read = events_of(reply)
        events = [await anext(read)]
        old.kill(signal.SIGCONT)
        events += [await anext(read) for _ in range(50)]
        old.kill(signal.SIGKILL)
        events += [event async for event in read]
    assert_whole(events, counting(300))
    assert await old.process.wait() == -signal.SIGKILL


async def test_a_gateway_that_leaves_waits_for_no_background_response(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The next one goes on with it, seed and all."""
    await supervisor.serve(SOURCE)
    seen = await some_of(client, {**LONG, "background": True}, 30)
    old = supervisor.gateway
    await supervisor.start_gateway()
    old.peer.send(StopAccepting(math.inf))
    assert await old.process.wait() == 0
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as later:
        rest = await resumed(later, seen[0]["response"]["id"], 29)
    assert_whole([*seen, *rest], counting(300))


async def test_a_stream_that_is_cut_is_finished_by_the_next_gateway(
    supervisor: FakeSupervisor,
) -> None:
    """Its client hears that there is no more time, and comes again."""
    await supervisor.serve(SOURCE)
    old = supervisor.gateway
    seen = []
    async with (
        httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client,
        client.stream("POST", "/v1/responses", json=LONG) as reply,
    ):
        async for event in events_of(reply):
            seen.append(event)
            if len(seen) == 50:
                old.peer.send(StopAccepting(0.1))
    assert await old.process.wait() == 0
    cut = seen.pop()
    assert (cut["type"], cut["code"]) == ("error", "server_shutting_down")
    await supervisor.start_gateway()
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        rest = await resumed(client, seen[0]["response"]["id"], seen[-1]["sequence_number"])
    assert_whole([*seen, *rest], counting(300))


async def test_a_response_of_a_model_that_is_gone_fails(supervisor: FakeSupervisor) -> None:
    """With the reason; nobody waits for it for ever."""
    await supervisor.serve(SOURCE)
    seen = await read_then_kill(supervisor, {**LONG, "background": True})
    await supervisor.remove("m")
    await supervisor.start_gateway()
    response_id = seen[0]["response"]["id"]
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        ended = await until_ended(client, response_id)
        assert ended["status"] == "failed"
        assert "does not exist" in ended["error"]["message"]
        rest = await resumed(client, response_id, seen[-1]["sequence_number"])
        assert [each["type"] for each in rest[-2:]] == ["error", "response.failed"]
        numbers = [each["sequence_number"] for each in (*seen, *rest)]
        assert numbers == list(range(len(numbers)))


async def test_log_probabilities_and_usage_survive(supervisor: FakeSupervisor) -> None:
    """What was counted before the gateway died is counted once."""
    await supervisor.serve(SOURCE)
    include = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}
    seen = await read_then_kill(supervisor, {**LONG, **include})
    await supervisor.start_gateway()
    response_id = seen[0]["response"]["id"]
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        await resumed(client, response_id, 0)
        kept = (await client.get(f"/v1/responses/{response_id}")).json()
    assert kept["usage"]["output_tokens"] == 300
    assert len(kept["output"][0]["content"][0]["logprobs"]) == 300
