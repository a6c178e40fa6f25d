"""/v1/responses as a WebSocket."""

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
from gateway.kept.keeping import assert_whole, text_of
from serve_daemon.wire.routing import GatewaySettings, StopAccepting

ASK: dict[str, Any] = {"model": "m", "input": "hello"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


@pytest.mark.parametrize("store", [True, False])
async def test_events_are_those_of_the_stream(supervisor: FakeSupervisor, *, store: bool) -> None:
    """The same objects in the same order; one response after another."""
    await supervisor.serve("fake:")
    async with WebSocket(supervisor.url) as socket:
        for text in ("hello", "hé😀"):
            events = await socket.response(**{**ASK, "input": text}, store=store)
            assert_whole(events, text)
            assert events[-1]["type"] == "response.completed"
            assert events[-1]["response"]["store"] is store


async def test_what_is_not_kept_is_gone_on_from_on_its_connection(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Nowhere else, and no more once there was an error."""
    await supervisor.serve("fake:")
    conversation = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "more"},
    ]
    async with WebSocket(supervisor.url) as socket:
        first = (await socket.response(**ASK, store=False))[-1]["response"]
        follow = {"model": "m", "input": "more", "store": False}
        again = {**follow, "previous_response_id": first["id"]}
        second = (await socket.response(**again))[-1]["response"]
        whole = (await socket.response(model="m", input=conversation))[-1]["response"]
        assert second["previous_response_id"] == first["id"]
        assert second["usage"]["input_tokens"] == whole["usage"]["input_tokens"]
        (error,) = await socket.response(**again)  # another one was told since
        assert (error["status"], error["error"]["code"]) == (400, "previous_response_not_found")
    reply = await client.post("/v1/responses", json=again)
    assert reply.json()["error"]["code"] == "previous_response_not_found"


async def test_what_is_kept_is_gone_on_from_anywhere(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """A response of one connection by another one, and by a POST."""
    await supervisor.serve("fake:")
    async with WebSocket(supervisor.url) as socket:
        first = (await socket.response(**ASK))[-1]["response"]
    assert (await client.get(f"/v1/responses/{first['id']}")).json() == first
    async with WebSocket(supervisor.url) as socket:
        events = await socket.response(**ASK, previous_response_id=first["id"])
        assert events[-1]["response"]["previous_response_id"] == first["id"]


async def test_a_response_may_be_made_ready_without_an_answer(supervisor: FakeSupervisor) -> None:
    """To be gone on from by the next."""
    await supervisor.serve("fake:")
    async with WebSocket(supervisor.url) as socket:
        events = await socket.response(**ASK, generate=False, store=False)
        ready = events[-1]["response"]
        assert (ready["status"], ready["output"]) == ("completed", [])
        assert [each["sequence_number"] for each in events] == [0, 1, 2]
        more = {"model": "m", "input": "more", "previous_response_id": ready["id"]}
        assert text_of(await socket.response(**more)) == "more"


async def test_errors_are_events_and_the_connection_goes_on(supervisor: FakeSupervisor) -> None:
    """With the status that a POST would have; the lane that a message names is on all of them."""
    await supervisor.serve("fake:")
    async with WebSocket(supervisor.url) as socket:
        for message, param in [
            ({"model": "m"}, "input"),
            ({**ASK, "background": True}, "background"),
            ({**ASK, "stream": False}, "stream"),
            ({**ASK, "what": 1}, "what"),
        ]:
            (error,) = await socket.response(**message, stream_id="a")
            assert (error["status"], error["error"]["param"]) == (400, param)
            assert error["stream_id"] == "a"
        (error,) = await socket.response(**{**ASK, "model": "none"})
        assert (error["status"], error["error"]["code"]) == (404, "model_not_found")
        await socket.send(b"{")
        assert (await socket.receive())["error"]["code"] == "invalid_json"
        await socket.send({"type": "response.steer"})
        assert (await socket.receive())["error"]["param"] == "type"
        events = await socket.response(**ASK, stream_id="b")
        assert {each["stream_id"] for each in events} == {"b"}
        assert text_of(events) == "hello"


async def test_a_client_that_leaves_cancels_its_response(supervisor: FakeSupervisor) -> None:
    """And its sequence is freed."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    async with WebSocket(supervisor.url) as socket:
        await socket.send({"type": "response.create", **ASK})
        while (await socket.receive())["type"] != "response.output_text.delta":
            pass
    await engine.until_sequences(0)
    record = await supervisor.until_record("/v1/responses")
    assert record["outcome"] == "disconnected"


async def test_who_may_not_connect_is_told_in_the_handshake(supervisor: FakeSupervisor) -> None:
    """Without a good key, from another's web page, or where there is nothing."""
    await supervisor.serve("fake:")
    async with WebSocket(supervisor.url, Origin="https://example.org") as socket:
        assert socket.status == 403
    async with WebSocket(supervisor.url, "/v1/other") as socket:
        assert socket.status == 404
    await supervisor.let_in({"one": "secret-one"})
    async with WebSocket(supervisor.url) as socket:
        assert socket.status == 401
        assert b"API key" in socket.body
    async with WebSocket(supervisor.url, Authorization="Bearer secret-one") as socket:
        assert socket.status == 101
        assert text_of(await socket.response(**ASK)) == "hello"


async def test_a_message_that_is_too_large_ends_the_connection(
    supervisor: FakeSupervisor,
) -> None:
    """With the code that says so."""
    await supervisor.configure(max_body_size=1000)
    async with WebSocket(supervisor.url) as socket:
        await socket.send({**ASK, "input": "x" * 2000})
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1009


async def test_a_gateway_that_leaves_finishes_the_response_first(
    supervisor: FakeSupervisor,
) -> None:
    """Then it says that it goes; so it does at once to whoever has asked for nothing."""
    await supervisor.serve("fake:text=count,token_delay=0.005")
    gateway = supervisor.gateway
    async with WebSocket(supervisor.url) as busy, WebSocket(supervisor.url) as idle:
        await busy.send({"type": "response.create", **ASK, "max_output_tokens": 200})
        events = [await busy.receive()]
        gateway.peer.send(StopAccepting(20.0))
        with pytest.raises(Closed) as closed:
            await idle.receive()
        assert closed.value.code == 1001
        while events[-1]["type"] != "response.incomplete":
            events.append(await busy.receive())
        with pytest.raises(Closed):
            await busy.receive()
    assert_whole(events, counting(200))
    assert await gateway.process.wait() == 0
