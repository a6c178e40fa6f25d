"""What the gateway takes from a client before it knows what it wants."""

import httpx
import pytest

from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor


async def test_a_body_that_says_it_is_too_large_is_refused(
    supervisor: FakeSupervisor,
) -> None:
    """413 at once, without reading it."""
    await supervisor.configure(max_body_size=1000)
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", b"{", declared_bytes=1001))
        reply = await client.read_until(b"}}")
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b'"message":"The request body is larger than 1000 bytes."' in reply


async def test_a_body_that_turns_out_too_large_is_refused(supervisor: FakeSupervisor) -> None:
    """413 for a chunked body, whose size nobody announces."""
    await supervisor.configure(max_body_size=1000)
    head = b"POST /v1/responses HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with RawClient(supervisor.url) as client:
        await client.send(head + b"400\r\n" + b" " * 0x400 + b"\r\n")
        assert (await client.read_until(b"}}")).startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_does_not_come_is_given_up(supervisor: FakeSupervisor) -> None:
    """408, and the connection ends."""
    await supervisor.configure(body_timeout=0.1)
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", b"{", declared_bytes=100))
        reply = await client.read_until(b"}}")
        assert reply.startswith(b"HTTP/1.1 408 ")
        await client.read_until_end()
    await supervisor.until_idle()


async def test_a_client_that_leaves_while_it_sends_its_body_is_forgotten(
    supervisor: FakeSupervisor,
) -> None:
    """The request ends as disconnected."""
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", b"{", declared_bytes=100))
        await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
    record = await supervisor.until_record("/v1/responses")
    assert record["outcome"] == "disconnected"


async def test_http_1_0_is_spoken(supervisor: FakeSupervisor) -> None:
    """As old health probes do."""
    async with RawClient(supervisor.url) as client:
        await client.send(b"GET /health HTTP/1.0\r\n\r\n")
        reply = await client.read_until(b'{"status":"ok"}')
    assert reply.startswith(b"HTTP/1.0 200 ")


async def test_settings_change_while_the_gateway_runs(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """A second ConfigureGateway holds from then on."""
    body = b" " * 2000
    headers = {"content-type": "application/json"}
    reply = await client.post("/v1/responses", content=body, headers=headers)
    assert reply.status_code == 400
    await supervisor.configure(max_body_size=1000)
    reply = await client.post("/v1/responses", content=body, headers=headers)
    assert reply.status_code == 413


@pytest.mark.parametrize("given", ["my-id-1", "a" * 128])
async def test_a_request_id_of_the_client_is_kept(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, given: str
) -> None:
    """It comes back, and is in the record."""
    reply = await client.get("/v1/models", headers={"X-Request-Id": given})
    assert reply.headers["x-request-id"] == given
    assert (await supervisor.until_record("/v1/models"))["request_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 129, "a b", "a\tb"])
async def test_a_bad_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    """What can't stand in a log line is not taken over."""
    reply = await client.get("/v1/models", headers={"X-Request-Id": given})
    assert reply.headers["x-request-id"].startswith("req_")


async def test_there_is_one_record_for_each_request(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """It tells who asked for what, and what it cost; probes are seen at level debug only."""
    await supervisor.serve("fake:")
    await client.get("/health")
    body = {"model": "m-alias", "input": "hello"}
    reply = await client.post("/v1/responses", json=body)
    record = await supervisor.until_record("/v1/responses")
    assert record.pop("seconds") >= record.pop("first_token_seconds") > 0
    del record["timestamp"]
    assert record == {
        "event": "request",
        "level": "info",
        "request_id": reply.headers["x-request-id"],
        "method": "POST",
        "path": "/v1/responses",
        "status": 200,
        "outcome": "answered",
        "model": "m",
        "prompt_tokens": reply.json()["usage"]["input_tokens"],
        "completion_tokens": reply.json()["usage"]["output_tokens"],
    }
    assert len(supervisor.gateway.records) == 1
