"""The program: its link, its sockets, its limits."""

import resource
import socket

import httpx
import pytest

from fakes.clients import RawClient
from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.descriptors import places, raise_descriptor_limit
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.wire.messages import SetLogLevel
from serve_daemon.wire.routing import GatewayReady, GatewaySettings


async def test_no_model_is_unknown_before_the_first_table(supervisor: FakeSupervisor) -> None:
    """A connection that is there before the table waits for it."""
    await supervisor.gateway.end()
    async with RawClient(supervisor.url) as client:
        await client.send(b"GET /v1/models/m HTTP/1.1\r\nHost: test\r\n\r\n")
        gateway = await supervisor.begin_gateway()
        assert not any(isinstance(said, GatewayReady) for said in gateway.said)
        await supervisor.route("m")
        assert (await client.read_until(b"}")).startswith(b"HTTP/1.1 200 ")


async def test_several_sockets_are_served_by_one_process(supervisor: FakeSupervisor) -> None:
    """TCP and Unix."""
    path = str(supervisor.directory / "api.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        await supervisor.gateway.end()
        await supervisor.start_gateway(unix)
        await supervisor.serve("fake:")
        transports = [httpx.AsyncHTTPTransport(), httpx.AsyncHTTPTransport(uds=path)]
        for transport in transports:
            async with httpx.AsyncClient(transport=transport, base_url=supervisor.url) as client:
                body = {"model": "m", "input": "hello"}
                reply = await client.post("/v1/responses", json=body)
                assert reply.json()["output"][0]["content"][0]["text"] == "hello"


async def test_the_log_level_is_live(supervisor: FakeSupervisor, client: httpx.AsyncClient) -> None:
    """Probes are seen at level debug, and nothing of a good request at level warning."""
    supervisor.gateway.peer.send(SetLogLevel("debug"))
    await supervisor.publish()
    await client.get("/health")
    assert (await supervisor.until_record("/health"))["level"] == "debug"
    supervisor.gateway.peer.send(SetLogLevel("warning"))
    await supervisor.publish()
    await client.get("/v1/models")
    await supervisor.until_idle()  # the record is written after the reply
    supervisor.gateway.peer.send(SetLogLevel("info"))
    await supervisor.publish()
    await client.get("/v1/models/nobody")
    await supervisor.until_record("/v1/models/nobody")
    assert "/v1/models" not in [record.get("path") for record in supervisor.gateway.records]


def test_the_descriptor_limit_is_raised_as_far_as_may_be() -> None:
    """To the hard limit, which is what it tells."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        assert raise_descriptor_limit() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("wanted", "num_sockets", "descriptors", "expected"),
    [(4096, 1, 65_536, 4096), (4096, 1, 1024, 768), (4096, 3, 1024, 256), (4096, 1, 100, 1)],
)
def test_places_are_as_many_as_there_are_descriptors_for(
    wanted: int, num_sockets: int, descriptors: int, expected: int
) -> None:
    """Beside those that the gateway itself needs; else it would fail to accept, or to connect."""
    assert places(wanted, num_sockets, descriptors) == expected


@pytest.mark.parametrize(("status", "failures"), [(200, 0), (429, 0), (499, 0), (500, 1), (503, 1)])
async def test_requests_are_counted(status: int, failures: int) -> None:
    """Only the server's own faults are failures."""
    conditions = Conditions(GatewaySettings())
    exchange = Exchange({"method": "POST", "path": "/v1/responses"}, [])
    conditions.request_begins(exchange)
    assert conditions.open_requests == 1
    exchange.status = status
    conditions.request_ends(exchange)
    await conditions.wait_until_idle()
    assert (conditions.open_requests, conditions.requests) == (0, 1)
    assert conditions.failures == failures


async def test_a_probe_is_no_request() -> None:
    """Who only asks how the gateway fares counts neither as a request nor as a failure."""
    conditions = Conditions(GatewaySettings())
    exchange = Exchange({"method": "GET", "path": "/ready"}, [])
    conditions.request_begins(exchange)
    exchange.status = 503
    conditions.request_ends(exchange)
    assert (conditions.open_requests, conditions.requests, conditions.failures) == (0, 0, 0)
