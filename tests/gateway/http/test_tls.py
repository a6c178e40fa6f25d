"""A real gateway that speaks TLS, and HTTP/2 to whoever asks for it."""

import asyncio
import math
import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from fakes.certificates import Authority
from fakes.clients import RawClient
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.routing import GatewaySettings, StopAccepting, TlsPair

AUTHORITY = Authority()
QUESTION = {"model": "m", "input": "hello"}
LONG = {"model": "m", "input": "x", "stream": True, "max_output_tokens": 2000}


def pair(*, client_ca: bytes = b"", min_version: str = "1.3") -> TlsPair:
    return TlsPair(*AUTHORITY.pair(), client_ca=client_ca, min_version=min_version)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secured() -> AsyncIterator[FakeSupervisor]:
    """A gateway with a certificate, and a model."""
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        supervisor.tls = pair()
        await supervisor.start_gateway()
        await supervisor.serve("fake:text=count,token_delay=0.01")
        yield supervisor
        await supervisor.end()


def client_of(
    supervisor: FakeSupervisor, *, http2: bool = True, trust: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    verify = trust or AUTHORITY.trust()
    return httpx.AsyncClient(base_url=supervisor.url, timeout=30, verify=verify, http2=http2)


@pytest.mark.parametrize(("http2", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
async def test_a_request_is_answered_over_tls(
    secured: FakeSupervisor, http2: bool, version: str
) -> None:
    """In the version of HTTP that the client has chosen with it; streams too."""
    async with client_of(secured, http2=http2) as client:
        reply = await client.post("/v1/responses", json=QUESTION | {"max_output_tokens": 5})
        assert (reply.status_code, reply.http_version) == (200, version)
        body = QUESTION | {"stream": True, "max_output_tokens": 5}
        async with client.stream("POST", "/v1/responses", json=body) as stream:
            lines = [line async for line in stream.aiter_lines()]
    assert "data: [DONE]" in lines


async def test_many_streams_share_a_connection(secured: FakeSupervisor) -> None:
    """Each gets its own answer; who leaves one of them leaves the others alone."""

    async def ask(client: httpx.AsyncClient, count: int) -> int:
        body = QUESTION | {"max_output_tokens": count}
        reply = await client.post("/v1/responses", json=body)
        return int(reply.json()["usage"]["output_tokens"])

    async with client_of(secured) as client:
        await client.get("/health")
        asked = [asyncio.ensure_future(ask(client, count)) for count in range(20, 40)]
        async with client.stream("POST", "/v1/responses", json=LONG) as stream:
            await anext(stream.aiter_lines())
        assert await asyncio.gather(*asked) == list(range(20, 40))
    await secured.until_idle()


async def test_who_leaves_a_stream_of_http2_ends_it(secured: FakeSupervisor) -> None:
    """The sequence is cancelled, as it is where a connection ends."""
    await secured.until_idle()
    secured.gateway.lines.clear()
    (engine,) = secured.engines.values()
    async with client_of(secured) as client:
        await client.get("/health")
        async with client.stream("POST", "/v1/responses", json=LONG) as stream:
            await anext(stream.aiter_lines())
            await engine.until_sequences(1)
        await engine.until_sequences(0)
        record = await secured.until_record("/v1/responses")
    assert record["status"] == 499  # gone, or taken for one that does not read


async def test_a_stream_that_nobody_reads_is_ended(secured: FakeSupervisor) -> None:
    """Over TLS in either version of HTTP, as without."""
    await secured.until_idle()
    secured.gateway.lines.clear()
    async with (
        client_of(secured) as one,
        client_of(secured, http2=False) as other,
        one.stream("POST", "/v1/responses", json=LONG) as first,
        other.stream("POST", "/v1/responses", json=LONG) as second,
    ):
        lines = [first.aiter_lines(), second.aiter_lines()]
        for each in lines:
            await anext(each)
        await secured.gateway.until(lambda: len(secured.gateway.records) == 2)
    assert [each["outcome"] for each in secured.gateway.records] == ["stalled"] * 2


async def test_a_client_that_speaks_no_tls_gets_nothing(secured: FakeSupervisor) -> None:
    """And costs nothing: others are answered."""
    url = secured.url.replace("https", "http")
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/health")
    async with client_of(secured) as client:
        assert (await client.get("/health")).status_code == 200


async def test_the_oldest_version_is_as_configured(secured: FakeSupervisor) -> None:
    """TLS 1.2 is refused where 1.3 is the oldest."""
    trust = AUTHORITY.trust()
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    async with client_of(secured, trust=trust) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")


async def test_clients_may_need_a_certificate_and_an_older_version_may_do() -> None:
    """Where [server] says so. Who never shakes hands is let go."""
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        supervisor.tls = pair(client_ca=AUTHORITY.certificate, min_version="1.2")
        supervisor.settings = GatewaySettings(keep_alive_timeout=0.5)
        await supervisor.start_gateway()
        try:
            trust = AUTHORITY.client()
            trust.maximum_version = ssl.TLSVersion.TLSv1_2
            async with client_of(supervisor, trust=trust) as client:
                assert (await client.get("/health")).status_code == 200
            async with client_of(supervisor) as client:
                with pytest.raises((httpx.TransportError, ssl.SSLError)):
                    await client.get("/health")
            async with RawClient(supervisor.url) as silent:
                await silent.read_until_end()  # it has not even begun a handshake
        finally:
            await supervisor.end()


async def test_http2_is_spoken_without_tls_where_the_client_knows_it(
    supervisor: FakeSupervisor,
) -> None:
    """By prior knowledge."""
    options: dict[str, Any] = {"http1": False, "http2": True}
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30, **options) as client:
        reply = await client.get("/health")
        assert (reply.status_code, reply.http_version) == (200, "HTTP/2")


async def test_a_unix_socket_speaks_no_tls() -> None:
    """Whoever may open it is on this host."""
    with tempfile.TemporaryDirectory(prefix="gw") as directory, socket.socket(socket.AF_UNIX) as at:
        path = str(Path(directory) / "api.sock")
        at.bind(path)
        at.listen()
        at.setblocking(False)
        supervisor = FakeSupervisor(Path(directory))
        supervisor.tls = pair()
        await supervisor.start_gateway(at)
        try:
            transport = httpx.AsyncHTTPTransport(uds=path)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                assert (await client.get("/health")).status_code == 200
        finally:
            await supervisor.end()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_a_connection_that_always_has_a_request_is_closed_in_the_end(tmp_path: Path) -> None:
    """Its client is told to make another one; what is open on it is sent to its end."""
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        supervisor = FakeSupervisor(Path(directory))
        supervisor.tls = pair()
        supervisor.program = [sys.executable, "-c", IMPATIENT]
        gateway = await supervisor.start_gateway()
        try:
            await supervisor.serve("fake:text=count,token_delay=0.01")
            asked = msgspec.json.encode(LONG | {"max_output_tokens": 150}).decode()
            curl = await asyncio.create_subprocess_exec(
                *("curl", "--http2", "--insecure", "--silent", "--verbose", "--json", asked),
                f"{supervisor.url}/v1/responses",
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
            gateway.peer.send(StopAccepting(math.inf))
            answer, told = await curl.communicate()
            assert curl.returncode == 0, told.decode()
            assert b"using HTTP/2" in told
            assert answer.rstrip().endswith(b"data: [DONE]")
            assert await gateway.process.wait() == 0
        finally:
            await supervisor.end()


IMPATIENT = """
from serve_daemon.gateway import program
program.TLS_SETTLE_SECONDS = program.HTTP2_PATIENCE_SECONDS = 0.1
import serve_daemon.gateway.__main__
"""
