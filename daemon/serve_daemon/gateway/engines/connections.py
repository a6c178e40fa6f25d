"""The gateway's connections to engines, and the sequences that are open on them."""

import asyncio
import itertools
from collections.abc import Callable, Iterable

import msgspec
import structlog

from serve_daemon.gateway.common.asking import asker
from serve_daemon.gateway.common.bell import Bell
from serve_daemon.gateway.engines.affinity import Load
from serve_daemon.wire.messages import Cancel, FromEngine, Order, Output, Step, Welcome
from serve_daemon.wire.routing import EngineAddress
from serve_daemon.wire.transport import Peer, connect

log = structlog.get_logger()

RECONNECT_SECONDS = 0.5


def _do_nothing() -> None:
    pass


class EngineLost(Exception):  # noqa: N818 - it names what happened
    """The engine went away while it had the sequence."""


class Sequence:
    """One stay of a request at one engine: what comes back of it, until it ends or is closed.

    What waits here to be taken is bounded by what was asked for: `max_new_tokens`.
    """

    def __init__(
        self, number: int, engine: "Engine", num_tokens: int, on_end: Callable[[], None]
    ) -> None:
        self.num_tokens = num_tokens  # that it began with
        self.on_end = on_end
        self._number = number
        self._engine = engine
        self._outputs: list[Output] = []
        self._is_lost = False
        self._bell = Bell()

    async def take(self, patience_seconds: float) -> list[Output]:
        """All outputs since the last call; none if there was nothing for so long.

        Raises `EngineLost` after the last output of an engine that is gone.
        """
        if not self._outputs and not self._is_lost:
            await self._bell.wait(patience_seconds)
        if not self._outputs and self._is_lost:
            raise EngineLost
        outputs, self._outputs = self._outputs, []
        return outputs

    def put(self, output: Output) -> None:
        self._outputs.append(output)
        self._bell.ring()

    def lose(self) -> None:
        self._is_lost = True
        self._bell.ring()

    def close(self) -> None:
        """Free the sequence in the engine, unless it has ended there."""
        self._engine.forget(self._number)


class Engine:
    """One engine process, as seen from here. It connects, again and again, until withdrawn."""

    def __init__(self, address: EngineAddress, on_change: Callable[[], None]) -> None:
        self.address = address
        self.is_connected = False
        self._on_change = on_change
        self._sequences: dict[int, Sequence] = {}
        self._num_tokens = 0  # in those
        self._numbers = itertools.count(1)
        self._is_withdrawn = False
        self._retry: asyncio.TimerHandle | None = None
        self._peer = self._new_peer()
        self._connecting = asyncio.ensure_future(self._connect())

    @property
    def engine_id(self) -> str:
        return self.address.engine_id

    @property
    def load(self) -> Load:
        slots = self.address.ready.max_requests
        return Load(self.engine_id, len(self._sequences), self._num_tokens, slots)

    def submit(self, order: Order, on_end: Callable[[], None] = _do_nothing) -> Sequence:
        """Have an order done; the number of its sequence is given here.

        `on_end` is called when that has ended there, unless the engine is lost. Raises
        `EngineLost` where nothing can be begun any more.
        """
        if not self.is_connected or self._is_withdrawn:
            raise EngineLost
        number = next(self._numbers)
        sequence = self._sequences[number] = Sequence(number, self, order.num_tokens, on_end)
        self._num_tokens += sequence.num_tokens
        whose = {"trace_id": asker().trace_id, "key": asker().key_name}
        self._peer.send(msgspec.structs.replace(order, sequence=number, **whose))
        return sequence

    def forget(self, number: int) -> None:
        if self._take_out(number) is not None:
            self._peer.send(Cancel(number))
            self._close_if_done()

    def _take_out(self, number: int) -> Sequence | None:
        sequence = self._sequences.pop(number, None)
        if sequence is not None:
            self._num_tokens -= sequence.num_tokens
            sequence.on_end()
        return sequence

    def withdraw(self) -> None:
        """Take nothing new; the connection closes when its last sequence has ended."""
        self._is_withdrawn = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._is_withdrawn and not self._sequences:
            self._connecting.cancel()
            if self._retry is not None:
                self._retry.cancel()
            self._peer.close()

    # ------------------------------------------------------------ the connection

    def _new_peer(self) -> Peer[FromEngine]:
        return Peer(FromEngine, self._received, self._lost)

    async def _connect(self) -> None:
        try:
            await connect(self._peer, self.address.socket)
        except OSError as error:
            log.warning(
                "engine can't be reached, trying again",
                engine=self.engine_id,
                error=str(error),
            )
            self._connect_later()

    def _connect_later(self) -> None:
        if not self._is_withdrawn:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(RECONNECT_SECONDS, self._connect_again)

    def _connect_again(self) -> None:
        self._peer = self._new_peer()
        self._connecting = asyncio.ensure_future(self._connect())

    def _received(self, message: FromEngine) -> None:
        match message:
            case Step(outputs=outputs):
                self._deliver(outputs)
            case Welcome():
                self.is_connected = True
                self._on_change()

    def _deliver(self, outputs: list[Output]) -> None:
        for output in outputs:
            if output.finish is None:
                sequence = self._sequences.get(output.sequence)
            else:
                sequence = self._take_out(output.sequence)
            if sequence is not None:  # else it was cancelled while the step was under way
                sequence.put(output)
        self._close_if_done()

    def _lost(self, error: Exception | None) -> None:
        self.is_connected = False
        lost, self._sequences, self._num_tokens = self._sequences, {}, 0
        if lost:
            log.warning(
                "engine lost, its requests wait for another",
                engine=self.engine_id,
                requests=len(lost),
                error=str(error or ""),
            )
        for sequence in lost.values():
            sequence.lose()
        self._on_change()
        self._connect_later()


class Engines:
    """All engines of the routing table, by id."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._engines: dict[str, Engine] = {}

    def apply(self, addresses: Iterable[EngineAddress]) -> None:
        """Connect to those that are new, withdraw those that are absent."""
        wanted = {address.engine_id: address for address in addresses}
        for engine_id in self._engines.keys() - wanted.keys():
            self._engines.pop(engine_id).withdraw()
        for engine_id in wanted.keys() - self._engines.keys():
            self._engines[engine_id] = Engine(wanted[engine_id], self._on_change)

    def has(self, engine: Engine) -> bool:
        return engine.engine_id in self._engines

    def connected(self, engine_ids: Iterable[str]) -> list[Engine]:
        """Those of these that a sequence can be given to."""
        engines = [self._engines[engine_id] for engine_id in engine_ids]
        return [engine for engine in engines if engine.is_connected]
