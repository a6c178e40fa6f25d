"""A gateway that leaves loses no request."""

import asyncio
import math
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

import fakes.supervisor
from fakes.behaviour import counting
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.metrics import Counted
from serve_daemon.wire.routing import StopAccepting


class Endpoint(NamedTuple):
    path: str
    body: dict[str, Any]
    error_of: Callable[[dict[str, Any]], str]  # what the event says that ends a stream


ENDPOINTS = [
    Endpoint(
        "/v1/responses",
        {"model": "m", "input": "x", "max_output_tokens": 4000},
        lambda event: event["response"]["error"]["message"],
    ),
    Endpoint(
        "/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4000},
        lambda event: event["error"]["message"],
    ),
]
BODY: dict[str, Any] = {"model": "m", "input": "x", "stream": True, "max_output_tokens": 300}


async def test_an_open_stream_is_finished_before_the_gateway_exits(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """StopAccepting leaves with status 0, after the last token."""
    await supervisor.configure(stall_timeout=60.0)
    await supervisor.serve("fake:text=count,token_delay=0.004")
    async with client.stream("POST", "/v1/responses", json=BODY) as reply:
        lines = reply.aiter_lines()
        await anext(lines)
        supervisor.gateway.peer.send(StopAccepting(20.0))
        text = "\n".join([line async for line in lines])
    assert f'"text":"{counting(300)}"' in text
    assert text.rstrip().endswith("data: [DONE]")
    assert await supervisor.gateway.process.wait() == 0


async def test_the_last_counts_are_told_before_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what has ended since the last heartbeat, too."""
    monkeypatch.setattr(fakes.supervisor, "HEARTBEAT_SECONDS", 3600.0)
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        gateway = await supervisor.start_gateway()
        await supervisor.serve("fake:text=count")
        async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
            reply = await client.post("/v1/responses", json={**BODY, "stream": False})
            assert reply.status_code == 200
        assert not any(isinstance(each, Counted) for each in gateway.said)
        gateway.peer.send(StopAccepting(20.0))
        assert await gateway.process.wait() == 0
        told: Counted = await gateway.until_said(Counted)
        counts = {each.model: each.counts for each in told.models}
        assert counts["m"]["outcome.length"] == [1]
        assert counts["m"]["generated_tokens"] == [300]
        assert counts[""]["status.200"] == [1]
        await supervisor.end()


async def test_a_gateway_may_leave_without_limit_and_be_limited_later(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """It finishes what is open, however long; the last word on the limit holds."""
    await supervisor.configure(stall_timeout=60.0)
    await supervisor.serve("fake:text=count,token_delay=0.01")
    gateway = supervisor.gateway
    body = {**BODY, "max_output_tokens": 4000}
    async with client.stream("POST", "/v1/responses", json=body) as reply:
        lines = reply.aiter_lines()
        await anext(lines)
        gateway.peer.send(StopAccepting(math.inf))
        await gateway.until(lambda: any("gateway leaves" in line for line in gateway.lines))
        for _ in range(100):
            await anext(lines)
        gateway.peer.send(StopAccepting(0.0))
        assert "The server shuts down" in "\n".join([line async for line in lines])
    assert await gateway.process.wait() == 0
    assert any("requests are cut" in line for line in gateway.lines)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_a_stream_without_more_time_ends_with_an_error_event(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, endpoint: Endpoint
) -> None:
    """In the shape of its endpoint, and whole: nothing is cut amid an event."""
    await supervisor.configure(stall_timeout=60.0)
    await supervisor.serve("fake:text=count,token_delay=0.002", max_requests=16)
    gateway = supervisor.gateway

    async def read() -> str:
        body = endpoint.body | {"stream": True}
        async with client.stream("POST", endpoint.path, json=body) as reply:
            assert reply.status_code == 200
            begun.release()
            return "".join([text async for text in reply.aiter_text()])

    begun = asyncio.Semaphore(0)
    reading = [asyncio.ensure_future(read()) for _ in range(16)]
    for _ in reading:
        await begun.acquire()
    gateway.peer.send(StopAccepting(0.1))
    for text in await asyncio.gather(*reading):
        *_, error, done, rest = text.split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        error_event = msgspec.json.decode(error.partition("data: ")[2])
        assert endpoint.error_of(error_event).startswith("The server shuts down")
    assert await gateway.process.wait() == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("wish", [{"stream": True}, {"stream": False}])
async def test_a_request_that_has_not_begun_is_refused_when_there_is_no_more_time(
    supervisor: FakeSupervisor,
    client: httpx.AsyncClient,
    endpoint: Endpoint,
    wish: dict[str, bool],
) -> None:
    """503 with Retry-After, or the error event of a stream whose status is out."""
    await supervisor.route("m", state="starting")  # no engine
    gateway = supervisor.gateway
    asking = asyncio.ensure_future(client.post(endpoint.path, json=endpoint.body | wish))
    await gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
    gateway.peer.send(StopAccepting(0.1))
    reply = await asking
    assert "The server shuts down" in reply.text
    if not wish["stream"]:
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "5"
        assert reply.json()["error"]["code"] == "server_shutting_down"
    assert await gateway.process.wait() == 0


async def test_a_half_sent_body_is_refused_when_there_is_no_more_time(
    supervisor: FakeSupervisor,
) -> None:
    """503, not just the end of the connection; the same for a request that comes too late."""
    kept = b"GET /v1/models HTTP/1.1\r\nHost: test\r\n\r\n"
    async with RawClient(supervisor.url) as half, RawClient(supervisor.url) as late:
        await half.send(post("/v1/responses", b"{}", declared_bytes=1000))
        await late.send(kept)
        await late.read_until(b"list")
        await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
        supervisor.gateway.peer.send(StopAccepting(0.1))
        assert (await half.read_until(b"}}")).startswith(b"HTTP/1.1 503 ")
        assert b"server_shutting_down" in half.received
    assert await supervisor.gateway.process.wait() == 0


async def test_a_second_sigterm_leaves_no_more_time(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Open streams end at once, and still with an error event."""
    await supervisor.configure(stall_timeout=60.0)
    await supervisor.serve("fake:text=count,token_delay=0.01")
    gateway = supervisor.gateway
    async with client.stream("POST", "/v1/responses", json=BODY | {"max_output_tokens": 4000}) as r:
        lines = r.aiter_lines()
        await anext(lines)
        gateway.kill(signal.SIGTERM)
        await gateway.until(lambda: any("gateway leaves" in line for line in gateway.lines))
        gateway.kill(signal.SIGTERM)
        assert "The server shuts down" in "\n".join([line async for line in lines])
    assert await gateway.process.wait() == 0


async def test_sigterm_is_an_order_to_leave(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """An idle gateway goes at once, with status 0."""
    assert (await client.get("/health")).status_code == 200
    supervisor.gateway.kill(signal.SIGTERM)
    assert await supervisor.gateway.process.wait() == 0


async def test_connections_go_to_the_next_gateway_while_the_old_one_drains(
    supervisor: FakeSupervisor,
) -> None:
    """The same socket is served by the new one, and nobody is refused in between."""
    await supervisor.configure(stall_timeout=60.0)  # the stream is left unread for a while
    await supervisor.serve("fake:text=count,token_delay=0.01")
    old = supervisor.gateway
    async with (
        httpx.AsyncClient(base_url=supervisor.url, timeout=30) as held,
        held.stream("POST", "/v1/responses", json=BODY) as reply,
    ):
        lines = reply.aiter_lines()
        await anext(lines)
        new = await supervisor.start_gateway()
        old.peer.send(StopAccepting(20.0))
        await old.until(lambda: any("gateway leaves" in line for line in old.lines))
        for _ in range(20):
            async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as other:
                assert (await other.get("/v1/models")).status_code == 200
        await new.until(lambda: len(new.records) == 20)
        assert "[DONE]" in "\n".join([line async for line in lines])
    assert await old.process.wait() == 0


async def test_no_request_is_lost_while_gateways_are_replaced(supervisor: FakeSupervisor) -> None:
    """Clients with a connection for each request see no error over several replacements."""
    await supervisor.serve("fake:", max_requests=64)
    stop = asyncio.Event()
    answers: list[int] = []

    async def ask_for_ever() -> None:
        while not stop.is_set():
            async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
                reply = await client.post("/v1/responses", json={"model": "m", "input": "hello"})
                answers.append(reply.status_code)

    asking = [asyncio.ensure_future(ask_for_ever()) for _ in range(4)]
    for _ in range(3):
        old = supervisor.gateway
        await supervisor.start_gateway()
        count = len(answers)
        old.peer.send(StopAccepting(20.0))
        assert await old.process.wait() == 0
        assert len(answers) > count
    stop.set()
    await asyncio.gather(*asking)
    assert set(answers) == {200}


async def test_a_reply_of_a_leaving_gateway_says_that_the_connection_ends(
    supervisor: FakeSupervisor,
) -> None:
    """A client with a kept connection goes on with a new one, where the next gateway listens."""
    async with RawClient(supervisor.url) as client:
        await client.send(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b"connection: close" not in (await client.read_until(b'"ok"}')).lower()
        client.received = b""
        supervisor.gateway.peer.send(StopAccepting(20.0))
        await supervisor.gateway.until(lambda: bool(supervisor.gateway.records))
        await client.send(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n")
        assert b"connection: close" in (await client.read_until(b'"ok"}')).lower()
    assert await supervisor.gateway.process.wait() == 0


async def test_what_does_not_end_in_time_is_cut(supervisor: FakeSupervisor) -> None:
    """Neither an endless stream nor a half-sent body keeps the gateway alive."""
    await supervisor.serve("fake:text=count", max_context=1_000_000)
    async with RawClient(supervisor.url) as endless, RawClient(supervisor.url) as half:
        await endless.send(post("/v1/responses", {"model": "m", "input": "x", "stream": True}))
        await endless.read_until(b"output_text.delta")
        await half.send(post("/v1/responses", b"{}", declared_bytes=1000))
        supervisor.gateway.peer.send(StopAccepting(0.1))
        assert await supervisor.gateway.process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_the_signals_of_a_terminal_are_the_supervisors_business(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, number: int
) -> None:
    """^C reaches the whole group of processes; the gateway waits for what the supervisor says."""
    supervisor.gateway.kill(number)
    assert (await client.get("/health")).status_code == 200


async def test_the_gateway_does_not_outlive_its_supervisor(supervisor: FakeSupervisor) -> None:
    """The end of the link is the end of the process."""
    supervisor.gateway.peer.close()
    assert await supervisor.gateway.process.wait() == 1
