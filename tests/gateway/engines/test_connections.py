"""The gateway's connections to engines, over real sockets."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from fakes.stepper import GatewayPeer
from serve_daemon.gateway.engines.connections import Engine, EngineLost, Engines
from serve_daemon.wire.messages import (
    Cancel,
    EngineReady,
    Finish,
    Output,
    Step,
    Submit,
    ToEngine,
    Welcome,
)
from serve_daemon.wire.routing import EngineAddress
from serve_daemon.wire.sampling import Sampling
from serve_daemon.wire.transport import Peer, listen

READY = EngineReady("/nowhere", 100, 4, 256, [0], "cpu", "float32", "sdpa", 1, 1)
ORDER = Submit(0, "req_1", [1, 2, 3], 10, [0], Sampling())
PATIENCE_SECONDS = 10.0


class Listener:
    """An engine's end: every connection, and what was said on it."""

    def __init__(self, path: Path) -> None:
        self.address = EngineAddress("e1", str(path), READY)
        self.gateways: list[Peer[ToEngine]] = []
        self.said: asyncio.Queue[ToEngine | None] = asyncio.Queue()

    async def start(self) -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.address.socket)
        listening.listen()
        self.server = await listen(self._welcome, listening)

    def _welcome(self) -> Peer[ToEngine]:
        peer = GatewayPeer(ToEngine, self.said.put_nowait, self._lost)
        peer.welcome = Welcome("e1", "m")
        self.gateways.append(peer)
        return peer

    def _lost(self, _error: Exception | None) -> None:
        self.said.put_nowait(None)

    async def heard(self) -> ToEngine | None:
        """The next message; None for the end of a connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.said.get()


class Changes:
    """Counts how often an engine has told that it came or went."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[None] = asyncio.Queue()

    def __call__(self) -> None:
        self._queue.put_nowait(None)

    async def next(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._queue.get()


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        yield Path(directory) / "e1.sock"


@pytest_asyncio.fixture(loop_scope="module")
async def listener(path: Path) -> AsyncIterator[Listener]:
    listener = Listener(path)
    await listener.start()
    yield listener
    for gateway in listener.gateways:
        gateway.close()
    listener.server.close()


async def connected(listener: Listener) -> Engine:
    changes = Changes()
    engine = Engine(listener.address, changes)
    await changes.next()
    assert engine.is_connected
    return engine


async def test_outputs_reach_their_sequences(listener: Listener) -> None:
    """Each its own, in order, until it has ended."""
    engine = await connected(listener)
    first, second = engine.submit(ORDER), engine.submit(ORDER)
    one, two = await listener.heard(), await listener.heard()
    assert isinstance(one, Submit)
    assert isinstance(two, Submit)
    assert one.sequence != two.sequence
    step = Step(
        [Output(two.sequence, [7], Finish.STOP), Output(one.sequence, [5]), Output(99, [1])]
    )
    listener.gateways[0].send(step)
    assert [output.tokens for output in await second.take(PATIENCE_SECONDS)] == [[7]]
    assert [output.tokens for output in await first.take(PATIENCE_SECONDS)] == [[5]]
    assert engine.load.sequences == 1
    first.close()
    second.close()  # it has ended: nothing is to be cancelled
    assert await listener.heard() == Cancel(one.sequence)
    engine.withdraw()
    assert await listener.heard() is None


async def test_nothing_comes_of_a_sequence_that_waits(listener: Listener) -> None:
    """After its patience; the sequence goes on."""
    engine = await connected(listener)
    sequence = engine.submit(ORDER)
    assert await sequence.take(0.001) == []
    assert engine.load.sequences == 1
    engine.withdraw()
    sequence.close()


async def test_sequences_of_an_engine_that_goes_are_lost_after_their_last_output(
    listener: Listener,
) -> None:
    """What was received counts."""
    engine = await connected(listener)
    sequence = engine.submit(ORDER)
    submit = await listener.heard()
    assert isinstance(submit, Submit)
    listener.gateways[0].send(Step([Output(submit.sequence, [5])]))
    listener.gateways[0].close()
    assert [output.tokens for output in await sequence.take(PATIENCE_SECONDS)] == [[5]]
    with pytest.raises(EngineLost):
        await sequence.take(PATIENCE_SECONDS)
    engine.withdraw()


async def test_a_withdrawn_engine_keeps_its_connection_for_its_last_sequence(
    listener: Listener,
) -> None:
    """Then it closes."""
    engine = await connected(listener)
    sequence = engine.submit(ORDER)
    submit = await listener.heard()
    assert isinstance(submit, Submit)
    engine.withdraw()
    listener.gateways[0].send(Step([Output(submit.sequence, [5], Finish.LENGTH)]))
    assert (await sequence.take(PATIENCE_SECONDS))[0].finish is Finish.LENGTH
    assert await listener.heard() is None


async def test_a_connection_that_breaks_is_made_again(listener: Listener) -> None:
    """As long as the engine is in the table."""
    changes = Changes()
    engine = Engine(listener.address, changes)
    await changes.next()
    listener.gateways[0].abort()
    await changes.next()
    assert not engine.is_connected
    await changes.next()
    assert engine.is_connected
    assert len(listener.gateways) == 2
    engine.withdraw()


async def test_an_engine_that_does_not_listen_yet_is_tried_again(path: Path) -> None:
    """No order of start is asked for."""
    changes = Changes()
    engine = Engine(EngineAddress("e1", str(path), READY), changes)
    await engine._connecting
    late = Listener(path)
    await late.start()
    await changes.next()
    assert engine.is_connected
    engine.withdraw()
    late.server.close()
    late.gateways[0].close()


async def test_only_connected_engines_take_sequences(listener: Listener) -> None:
    """Whatever the table says."""
    changes = Changes()
    engines = Engines(changes)
    engines.apply([listener.address, EngineAddress("e2", "/nowhere", READY)])
    await changes.next()
    (ready,) = engines.connected(["e1", "e2"])
    assert ready.address == listener.address
    assert engines.connected(["e2"]) == []
    engines.apply([])
    assert await listener.heard() is None


async def test_nothing_is_begun_where_it_could_not_end(listener: Listener) -> None:
    """An engine that is withdrawn or gone says so at once."""
    changes = Changes()
    engine = Engine(listener.address, changes)
    with pytest.raises(EngineLost):
        engine.submit(ORDER)
    await changes.next()
    assert engine.submit(ORDER)
    engine.withdraw()
    with pytest.raises(EngineLost):
        engine.submit(ORDER)
    assert engine.load == ("e1", 1, len(ORDER.tokens), READY.max_requests)
    listener.gateways[0].close()
    await changes.next()
    assert engine.load == ("e1", 0, 0, READY.max_requests)
