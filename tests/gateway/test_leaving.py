"""A gateway that leaves loses no request."""

import asyncio
import contextlib
import math
import signal
from typing import Any

import httpx
import pytest

from fakes.behaviour import counting
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.routing import StopAccepting

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
        with contextlib.suppress(httpx.RemoteProtocolError):
            assert [line async for line in lines]
    assert await gateway.process.wait() == 0
    assert any("requests are cut" in line for line in gateway.lines)


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
