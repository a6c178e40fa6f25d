"""Clients that cost all they can: each attack costs a bounded amount, and others are answered."""

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.routing import GatewaySettings

BODY = {"model": "m", "input": "still there?", "max_output_tokens": 3}
PLACES = 32

# What a connection sends that is held open without a whole request.
HALVES = {
    "nothing": b"",
    "half a head": b"GET /health HTTP/1.1\r\nHost: test\r\nX-Y: ",
    "half a body": post("/v1/responses", b"{", declared_bytes=1000),
    "a request, and then nothing": b"GET /health HTTP/1.1\r\nHost: test\r\n\r\n",
    # The preface, and an empty frame of settings.
    "nothing but HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4" + bytes(5),
}


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[FakeSupervisor]:
    """A gateway of its own, with settings that only a new one takes up, and a model m."""
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        supervisor.settings = GatewaySettings(**settings)
        try:
            await supervisor.start_gateway()
            await supervisor.serve("fake:text=count,token_delay=0.01", max_requests=8)
            yield supervisor
        finally:
            await supervisor.end()


@asynccontextmanager
async def connections(
    supervisor: FakeSupervisor, count: int, begin: bytes
) -> AsyncIterator[list[RawClient]]:
    """So many clients, each of which has sent this much."""
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(count):
            clients.append(await stack.enter_async_context(RawClient(supervisor.url)))
            await clients[-1].send(begin)
        yield clients


async def first_reply(clients: list[RawClient]) -> bytes:
    """Of whichever of them gets one: requests need not be looked at in the order they came in."""
    reading = [asyncio.ensure_future(each.read_until(b"}}")) for each in clients]
    done, others = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return done.pop().result()


async def answer(supervisor: FakeSupervisor) -> int:
    """The status of an ordinary request on a connection of its own."""
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        return (await client.post("/v1/responses", json=BODY)).status_code


@pytest.mark.parametrize("begin", HALVES.values(), ids=HALVES)
async def test_others_are_answered_when_idle_connections_take_every_place(begin: bytes) -> None:
    """The oldest make place, again and again; a stream that is being sent is none of them."""
    async with gateway(max_connections=PLACES) as supervisor:
        async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
            wish = BODY | {"stream": True, "max_output_tokens": 300}
            async with client.stream("POST", "/v1/responses", json=wish) as reply:
                lines = reply.aiter_lines()
                await anext(lines)
                async with connections(supervisor, 3 * PLACES, begin) as idle:
                    assert await answer(supervisor) == 200
                    await asyncio.gather(*(each.read_until_end() for each in idle[:PLACES]))
                    assert await answer(supervisor) == 200
                assert "[DONE]" in "\n".join([line async for line in lines])
        assert any("idle connections are closed" in line for line in supervisor.gateway.lines)


@pytest.mark.parametrize(
    "begin", [HALVES[each] for each in ("nothing", "half a head", "nothing but HTTP/2")]
)
async def test_who_sends_no_request_is_let_go(begin: bytes) -> None:
    """After `keep_alive_timeout`, however many places there are."""
    async with (
        gateway(keep_alive_timeout=0.2) as supervisor,
        connections(supervisor, 4, begin) as idle,
    ):
        for each in idle:
            await each.read_until_end()
        assert await answer(supervisor) == 200


async def test_a_kept_connection_is_let_go_when_nothing_follows() -> None:
    """And not before its reply is whole, however long that takes."""
    async with gateway(keep_alive_timeout=0.2) as supervisor, RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", BODY | {"max_output_tokens": 100}))
        reply = await client.read_until(b'"max_output_tokens":100')
        assert reply.startswith(b"HTTP/1.1 200 ")
        await client.read_until_end()


@pytest.mark.parametrize("chunks", [b"zz\r\nhello\r\n", b"5\r\nhello\r\nzz\r\n", b"5\r\nhelloXX"])
async def test_malformed_chunks_are_the_clients_fault(
    supervisor: FakeSupervisor, chunks: bytes
) -> None:
    """400 in OpenAI's shape, and the connection ends."""
    head = b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with RawClient(supervisor.url) as client:
        await client.send(head + chunks)
        reply = await client.read_until(b"}}")
        assert reply.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"invalid_body"' in reply
        await client.read_until_end()


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
@pytest.mark.parametrize("depth", [100, 500, 900, 1100, 5_000, 1_000_000])
@pytest.mark.parametrize("shape", [b'["[]"]', b'{"model":"m","input":[],"messages":[]}'])
async def test_deep_json_is_refused(
    client: httpx.AsyncClient, path: str, depth: int, shape: bytes
) -> None:
    """400, at whatever depth a recursion ends, and in whatever place it is."""
    body = shape.replace(b"[]", b"[" * depth + b"]" * depth)
    reply = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "flood",
    [
        b"X-Y: 1\r\n" * 300 + b"\r\n",  # many
        b"X-Y: " + b"y" * 100_000 + b"\r\n",  # long
        b"X-Y: 1\r\n" * 1_000_000,  # without end
    ],
)
async def test_a_flood_of_headers_is_cut_short(supervisor: FakeSupervisor, flood: bytes) -> None:
    """431, or the end of the connection for one who doesn't stop to listen."""
    async with RawClient(supervisor.url) as client:
        try:
            await client.send(b"GET /health HTTP/1.1\r\nHost: x\r\n" + flood)
            reply = await client.read_until(b"\r\n\r\n")
        except ConnectionError:
            return
    assert reply.startswith(b"HTTP/1.1 431 ")


async def test_large_bodies_on_their_way_have_a_limit_together(supervisor: FakeSupervisor) -> None:
    """503 for what is beyond it; small requests are answered, and large ones again in the end."""
    await supervisor.configure(max_body_size=100_000)
    await supervisor.serve()
    large = post("/v1/responses", b"{" + b" " * 90_000, declared_bytes=99_000)
    async with connections(supervisor, 60, large) as clients:
        reply = await first_reply(clients)
        assert reply.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"overloaded"' in reply
        assert await answer(supervisor) == 200
        await supervisor.gateway.until(lambda: 32 < supervisor.gateway_counts.open_requests < 45)
    await supervisor.until_idle()
    async with RawClient(supervisor.url) as client:
        await client.send(large + b" " * 8_998 + b"}")
        assert (await client.read_until(b"}}")).startswith(b"HTTP/1.1 400 ")


# ------------------------------------------------------------ at full size


@asynccontextmanager
async def others_are_answered(supervisor: FakeSupervisor) -> AsyncIterator[None]:
    """Ask all along, each time on a new connection, and once more; all of it must be answered."""
    over = asyncio.Event()
    statuses = []

    async def ask() -> None:
        while not over.is_set():
            statuses.append(await answer(supervisor))

    asking = asyncio.ensure_future(ask())
    try:
        yield
    finally:
        over.set()
        await asking
    assert statuses
    assert set(statuses) == {200}
    assert await answer(supervisor) == 200


def resident_bytes(supervisor: FakeSupervisor) -> int:
    return int(psutil.Process(supervisor.gateway.process.pid).memory_info().rss)


@pytest.mark.long
@pytest.mark.parametrize("begin", HALVES.values(), ids=HALVES)
async def test_ten_thousand_idle_connections(begin: bytes) -> None:
    """More than there are places, with the default settings; memory is that of the places."""
    async with gateway() as supervisor:
        assert await answer(supervisor) == 200
        before = resident_bytes(supervisor)
        async with others_are_answered(supervisor), connections(supervisor, 10_000, begin):
            assert await answer(supervisor) == 200
        grown = resident_bytes(supervisor) - before
        assert grown < 64 * 1024 * supervisor.settings.max_connections


SLOWHTTPTEST = {
    "slow headers": ["-H", "-t", "GET"],
    "slow bodies": ["-B", "-t", "POST", "-s", "8192", "-f", "application/json"],
    "ranges": ["-R"],
    "slow reads": ["-X", "-k", "10", "-n", "5", "-z", "32", "-w", "256", "-y", "512"],
}


@pytest.mark.long
@pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed")
@pytest.mark.parametrize("attack", SLOWHTTPTEST.values(), ids=SLOWHTTPTEST)
async def test_slowhttptest(attack: list[str]) -> None:
    """It finds the server available to the end, as do others."""
    async with gateway() as supervisor:
        path = "/v1/models" if "-X" in attack else "/v1/responses"
        sizes = ["-c", "5000", "-r", "1000", "-i", "5", "-l", "20", "-p", "10"]
        command = ["slowhttptest", *attack, *sizes, "-u", supervisor.url + path]
        async with others_are_answered(supervisor):
            tool = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            output, _ = await tool.communicate()
        plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output.decode())
        states = re.findall(r"service available: +(YES|NO)", plain)
        assert states
        assert set(states) == {"YES"}
