"""How the outputs of a step leave the engine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
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
from serve_daemon.wire.transport import adopt


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


class Gateway:
    """The other end of a connection."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._receiver = Receiver[FromEngine](msgspec.msgpack.Decoder(FromEngine))
        self._outputs: list[Output] = []

    @property
    def outputs(self) -> list[Output]:
        """All that it was sent so far."""
        with suppress(BlockingIOError):
            while data := self._socket.recv(65536):
                steps = [each for each in self._receiver.feed(data) if isinstance(each, Step)]
                self._outputs += [output for each in steps for output in each.outputs]
        return self._outputs


OUTPUT = Output(sequence=1, tokens=[7])


@pytest.fixture
async def server() -> Server:
    loop = asyncio.get_running_loop()
    return Server(engine=Silent(), welcome=Welcome("e1", "m"), loop=loop, on_fatal=lambda _: None)


@pytest.fixture
async def connected(server: Server) -> AsyncIterator[tuple[Connection, Gateway]]:
    """A gateway with one sequence."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        connection = server.connection()
        await adopt(connection, ours)
        connection.live[OUTPUT.sequence] = {}
        yield connection, Gateway(theirs)
        connection.abort()
        await asyncio.sleep(0)


async def test_outputs_are_with_the_gateway_when_a_step_returns(
    server: Server, connected: tuple[Connection, Gateway]
) -> None:
    """Whatever the event loop is busy with: here it is in the loop's way itself."""
    connection, gateway = connected
    server.step({connection.owner: [OUTPUT]})
    assert gateway.outputs == [OUTPUT]


async def test_a_sequence_is_let_go_after_its_last_output(
    server: Server, connected: tuple[Connection, Gateway]
) -> None:
    """What another thread had sent counts, as soon as the loop has time."""
    connection, gateway = connected
    last = Output(1, [7], Finish.STOP)
    await asyncio.to_thread(server.step, {connection.owner: [last]})
    await asyncio.sleep(0)
    assert gateway.outputs == [last]
    assert not connection.live
    assert server.idle_seconds < 60


async def test_what_a_gateway_has_here_is_bounded(
    server: Server, connected: tuple[Connection, Gateway]
) -> None:
    """More is refused, and computed once others have ended."""
    connection, gateway = connected
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
    server: Server, connected: tuple[Connection, Gateway]
) -> None:
    """It waits for the computing thread; so nobody fills an engine that makes no step."""
    connection, gateway = connected
    with mock.patch.object(servers, "MAX_SEQUENCES", 3):
        for number in range(10, 16):
            connection._on_message(Submit(number, "r", [1], 9, [0], Sampling()))
            connection._on_message(Cancel(number))
        assert [refusal.sequence for refusal in gateway.outputs] == [13, 14, 15]
        server.step({connection.owner: [OUTPUT]})
        await asyncio.sleep(0)
        connection._on_message(Submit(16, "r", [1], 9, [0], Sampling()))
    assert set(connection.live) == {1, 16}


async def test_what_the_engine_does_not_do_is_refused(
    connected: tuple[Connection, Gateway],
) -> None:
    """One that generates makes no vectors; the gateway is told so, and nobody waits."""
    connection, gateway = connected
    connection._on_message(Embed(2, "r", [[1]]))
    [refusal] = gateway.outputs
    assert (refusal.sequence, refusal.finish) == (2, Finish.REFUSED)
    assert refusal.error == "the engine takes no Embed"
    assert set(connection.live) == {OUTPUT.sequence}


async def test_the_log_says_whose_a_sequence_is(
    connected: tuple[Connection, Gateway],
) -> None:
    """With request, trace and key, as far as there are any; only what failed is no detail."""
    connection, _ = connected
    whose = {"request_id": "r", "trace_id": "t" * 32, "key": "team"}
    with structlog.testing.capture_logs() as lines:
        for number in (2, 3, 4):
            order = Submit(number, "r", [1, 1], 9, [0], Sampling(), trace_id="t" * 32, key="team")
            connection._on_message(order)
        connection.deliver([Output(2, [7], Finish.STOP), Output(3, [], Finish.ERROR, "broken")])
        await asyncio.sleep(0)
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
