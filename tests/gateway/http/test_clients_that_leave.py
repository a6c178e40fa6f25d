"""A client that is gone, or does not read, frees what it held."""

import asyncio
import signal

import httpx
import pytest

from fakes.behaviour import counting
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import EngineHeartbeat

STREAMS = [
    ("/v1/responses", {"model": "m", "input": "x", "stream": True}, b"output_text.delta"),
    (
        "/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True},
        b'"content":"3"',
    ),
]


@pytest.mark.parametrize(("path", "body", "sign"), STREAMS)
async def test_a_streaming_client_that_disconnects_frees_its_sequence(
    supervisor: FakeSupervisor, path: str, body: object, sign: bytes
) -> None:
    """The engine has no sequence left, and the record says who ended it."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    async with RawClient(supervisor.url) as client:
        await client.send(post(path, body))
        await client.read_until(sign)
        await engine.until_sequences(1)
    await engine.until_sequences(0)
    await supervisor.until_idle()
    record = await supervisor.until_record(path)
    assert (record["outcome"], record["status"]) == ("disconnected", 499)


async def test_a_client_that_waits_for_a_whole_reply_and_disconnects_frees_its_sequence(
    supervisor: FakeSupervisor,
) -> None:
    """Without streaming nothing is written, and yet the gateway notices."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", {"model": "m", "input": "x"}))
        await engine.until_sequences(1)
    await engine.until_sequences(0)
    await supervisor.until_idle()
    assert (await supervisor.until_record("/v1/responses"))["outcome"] == "disconnected"


async def test_a_client_that_disconnects_while_it_waits_for_an_engine_is_forgotten(
    supervisor: FakeSupervisor,
) -> None:
    """A model that is still loading does not hold requests of clients that are gone."""
    await supervisor.route("m", queue_timeout=1000.0)
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", {"model": "m", "input": "x", "stream": True}))
        await client.read_until(b": waiting")
        assert supervisor.gateway_counts.open_requests == 1
    await supervisor.until_idle()


async def test_a_client_that_disconnects_in_prefill_frees_its_sequence(
    supervisor: FakeSupervisor,
) -> None:
    """Comments are sent while no token comes, and the end is noticed."""
    engine = await supervisor.serve("fake:prefill=1000")
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", {"model": "m", "input": "x", "stream": True}))
        await client.read_until(b": waiting")
        await engine.until_sequences(1)
    await engine.until_sequences(0)
    assert (await supervisor.until_record("/v1/responses"))["outcome"] == "disconnected"


@pytest.mark.parametrize(("path", "body", "sign"), STREAMS)
async def test_a_client_that_stops_reading_frees_its_sequence(
    supervisor: FakeSupervisor, path: str, body: object, sign: bytes
) -> None:
    """The connection stays open, unread, and the sequence is cancelled all the same."""
    engine = await supervisor.serve("fake:text=count,token_delay=0.001", max_context=1_000_000)
    async with RawClient(supervisor.url) as client:
        await client.send(post(path, body))
        await client.read_until(sign)
        await engine.until_sequences(1)
        await engine.until_sequences(0)
        record = await supervisor.until_record(path)
        assert (record["outcome"], record["status"]) == ("stalled", 499)


async def test_a_client_with_large_buffers_that_stops_reading_frees_its_sequence(
    supervisor: FakeSupervisor,
) -> None:
    """Its kernel would take megabytes; the gateway sees that the program reads nothing of them."""
    engine = await supervisor.serve("fake:text=count,token_delay=0.05", max_context=1_000_000)
    async with RawClient(supervisor.url, receive_buffer_bytes=4_000_000) as client:
        await client.send(post("/v1/responses", {"model": "m", "input": "x", "stream": True}))
        await client.read_until(b"output_text.delta")
        await engine.until_sequences(1)
        await engine.until_sequences(0)
    assert (await supervisor.until_record("/v1/responses"))["outcome"] == "stalled"


async def test_a_machine_that_slept_has_stalled_nobody(supervisor: FakeSupervisor) -> None:
    """While the gateway itself is frozen, no client can be expected to read."""
    await supervisor.configure(stall_timeout=2.0)
    await supervisor.serve("fake:text=count,token_delay=0.02", max_context=1000)
    body = {"model": "m", "input": "x", "stream": True, "max_output_tokens": 80}
    async with RawClient(supervisor.url, receive_buffer_bytes=4_000_000) as client:
        await client.send(post("/v1/responses", body))
        await client.read_until(b"output_text.delta")
        await asyncio.sleep(0.6)  # the gateway has seen that something is unread
        supervisor.gateway.kill(signal.SIGSTOP)
        await asyncio.sleep(2.5)  # time is what this is about
        supervisor.gateway.kill(signal.SIGCONT)
        await asyncio.sleep(0.5)
        text = await client.read_until(b"[DONE]")
    assert counting(80).encode() in text


async def test_a_client_that_reads_late_loses_nothing(supervisor: FakeSupervisor) -> None:
    """What the engine has made, and the client has not read yet, waits in the gateway."""
    await supervisor.configure(stall_timeout=60.0)
    engine = await supervisor.serve("fake:text=count,token_delay=0", max_context=100_000)
    body = {"model": "m", "input": "x", "stream": True, "max_output_tokens": 20_000}
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/responses", body))
        await client.read_until(b"output_text.delta")
        await engine.until(lambda: engine.last(EngineHeartbeat).generated_tokens == 20_000)
        text = await client.read_until(b"[DONE]")
    assert counting(20_000).encode() in text  # the last events repeat the whole text


async def test_half_of_many_clients_disconnect_and_no_sequence_stays(
    supervisor: FakeSupervisor,
) -> None:
    """However requests end, the engine is empty afterwards."""
    engine = await supervisor.serve("fake:text=count,token_delay=0.002", max_requests=32)

    async def ask(number: int) -> None:
        tokens = 10 + number % 7 * 20
        body = {"model": "m", "input": "x", "stream": True, "max_output_tokens": tokens}
        async with (
            httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client,
            client.stream("POST", "/v1/responses", json=body) as reply,
        ):
            assert reply.status_code == 200
            read = 0
            async for _ in reply.aiter_lines():
                read += 1
                if number % 2 and read > number:
                    return

    for begin in range(0, 80, 40):
        await asyncio.gather(*(ask(number) for number in range(begin, begin + 40)))
    await engine.until_sequences(0)
    await supervisor.until_idle()
