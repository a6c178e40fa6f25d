"""How the outputs of a step leave the engine."""

import asyncio
from typing import Any
from unittest import mock

import msgspec
import pytest
import structlog

from serve_daemon.engine import server as servers
from serve_daemon.engine.protocol import Facts, Stats
from serve_daemon.engine.server import Connection, Server
from serve_daemon.wire.framing import Receiver
from serve_daemon.wire.messages import (
    Cancel,
    Embed,
    Finish,
    FromEngine,
    Output,
    Step,
    Submit,
    Welcome,
)
from serve_daemon.wire.sampling import Sampling


class Silent:
    """An engine that is told of sequences, and computes none."""

    def start(self, sink: object) -> None: ...

    def facts(self) -> Facts:
        raise NotImplementedError

    def submit(self, owner: int, sequence: Submit) -> None: ...

    def cancel(self, owner: int, sequence: int) -> None: ...

    def use_threads(self, threads: int) -> None: ...

    def stats(self) -> Stats:
        raise NotImplementedError

    def stop(self) -> None: ...


class Gateway(asyncio.Transport):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = b""

    def write(self, data: Any) -> None:
        self.bytes += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    @property
    def outputs(self) -> list[Output]:
        messages = Receiver[FromEngine](msgspec.msgpack.Decoder(FromEngine)).feed(self.bytes)
        return [output for each in messages if isinstance(each, Step) for output in each.outputs]


OUTPUT = Output(sequence=1, tokens=[7])


@pytest.fixture
async def server() -> Server:
    loop = asyncio.get_running_loop()
    return Server(engine=Silent(), welcome=Welcome("e1", "m"), loop=loop, on_fatal=lambda _: None)


def connect(server: Server) -> tuple[Connection, Gateway]:
    """A gateway with one sequence."""
    connection, gateway = server.connection(), Gateway()
    connection.connection_made(gateway)
    connection.live[OUTPUT.sequence] = {}
    return connection, gateway


async def test_a_step_returns_when_its_outputs_are_on_their_way(server: Server) -> None:
    """What comes after it may keep the interpreter for long."""
    connection, gateway = connect(server)

    def compute() -> list[Output]:
        server.step({connection.owner: [OUTPUT]})
        return gateway.outputs

    assert await asyncio.to_thread(compute) == [OUTPUT]


async def test_a_step_does_not_wait_for_a_loop_that_has_no_time(server: Server) -> None:
    """Here it is in the loop's way itself."""
    connection, gateway = connect(server)
    server.step({connection.owner: [OUTPUT]})
    assert not gateway.outputs
    await asyncio.sleep(0)
    assert gateway.outputs == [OUTPUT]


async def test_what_a_gateway_has_here_is_bounded(server: Server) -> None:
    """More is refused, and computed once others have ended."""
    connection, gateway = connect(server)
    with mock.patch.object(servers, "MAX_SEQUENCES", 2):
        for number in (2, 3):
            connection._on_message(Submit(number, "r", [1], 9, [0], Sampling()))
        (refusal,) = gateway.outputs
        assert (refusal.sequence, refusal.finish) == (3, Finish.REFUSED)
        assert "2 sequences already" in refusal.error
        server.step({connection.owner: [Output(1, [7], Finish.STOP)]})
        await asyncio.sleep(0)
        connection._on_message(Submit(4, "r", [1], 9, [0], Sampling()))
    assert set(connection.live) == {2, 4}


async def test_what_was_cancelled_before_the_engine_looked_at_it_is_counted(
    server: Server,
) -> None:
    """It waits for the computing thread; so nobody fills an engine that makes no step."""
    connection, gateway = connect(server)
    with mock.patch.object(servers, "MAX_SEQUENCES", 3):
        for number in range(10, 16):
            connection._on_message(Submit(number, "r", [1], 9, [0], Sampling()))
            connection._on_message(Cancel(number))
        assert [refusal.sequence for refusal in gateway.outputs] == [13, 14, 15]
        server.step({connection.owner: [OUTPUT]})
        await asyncio.sleep(0)
        connection._on_message(Submit(16, "r", [1], 9, [0], Sampling()))
    assert set(connection.live) == {1, 16}


async def test_what_the_engine_does_not_do_is_refused(server: Server) -> None:
    """One that generates makes no vectors; the gateway is told so, and nobody waits."""
    connection, gateway = connect(server)
    connection._on_message(Embed(2, "r", [[1]]))
    [refusal] = gateway.outputs
    assert (refusal.sequence, refusal.finish) == (2, Finish.REFUSED)
    assert refusal.error == "the engine takes no Embed"
    assert set(connection.live) == {OUTPUT.sequence}


async def test_the_log_says_whose_a_sequence_is(server: Server) -> None:
    """With request, trace and key, as far as there are any; only what failed is no detail."""
    connection, _ = connect(server)
    whose = {"request_id": "r", "trace_id": "t" * 32, "key": "team"}
    with structlog.testing.capture_logs() as lines:
        for number in (2, 3, 4):
            order = Submit(number, "r", [1, 1], 9, [0], Sampling(), trace_id="t" * 32, key="team")
            connection._on_message(order)
        connection.deliver([Output(2, [7], Finish.STOP), Output(3, [], Finish.ERROR, "broken")])
        connection._on_message(Cancel(4))
        connection._on_message(Embed(5, "other", [[1]]))
    told = [(each["log_level"], each["event"]) for each in lines]
    assert told == [
        *[("debug", "sequence begins")] * 3,
        ("debug", "sequence ends"),
        ("warning", "sequence failed"),
        ("debug", "sequence cancelled"),
        ("debug", "sequence refused"),
    ]
    assert all(each.items() >= whose.items() for each in lines[:-1])
    assert lines[4]["reason"] == "broken"
    assert lines[-1]["request_id"] == "other"
    assert "key" not in lines[-1]
