"""Gateways' connections to an engine, and the sequences that each of them has open."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import structlog

from serve_daemon.engine.protocol import AnyEngine, Embedder, Outputs
from serve_daemon.wire.messages import (
    Cancel,
    Embed,
    Finish,
    Order,
    Output,
    Step,
    Submit,
    ToEngine,
    Welcome,
)
from serve_daemon.wire.threaded import ThreadedPeer
from serve_daemon.wire.transport import MAX_UNSENT_BYTES

# Of one gateway at a time, and of all since the last outputs: what was cancelled meanwhile waits
# for the computing thread, too. Gateways that do as they should have not a hundredth of it here.
MAX_SEQUENCES = 16 * 1024

log = structlog.get_logger()


Whose = dict[str, str]  # what a log line says of whose sequence it is about


class Connection(ThreadedPeer[ToEngine]):
    """One gateway: it is welcomed, and owns the sequences that it submits.

    `deliver` is called in the computing thread, all else in the event loop's.
    """

    max_unsent_bytes = 16 * 1024 * 1024

    def __init__(self, server: "Server", owner: int) -> None:
        super().__init__(ToEngine, self._on_message, self._on_lost)
        if Embed in server.takes:  # vectors are large, and no more of them than were asked for
            self.max_unsent_bytes = MAX_UNSENT_BYTES
        self._server = server
        self.owner = owner
        self.live: dict[int, Whose] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.joined(self)

    def deliver(self, outputs: list[Output]) -> None:
        """Send what is of sequences that were neither cancelled nor ended before."""
        wanted = [output for output in outputs if output.sequence in self.live]
        if wanted:
            self.send(Step(wanted))
        if ended := [output for output in wanted if output.finish is not None]:
            self._server.loop.call_soon_threadsafe(self._end, ended)

    def _end(self, ended: list[Output]) -> None:
        for output in ended:
            _log_end(output, self.live.pop(output.sequence, {}))
        self._server.note_end()

    def _on_message(self, message: ToEngine) -> None:
        match message:
            case Submit() | Embed():
                self._begin(message)
            case Cancel(sequence=sequence) if sequence in self.live:
                log.debug("sequence cancelled", **self.live.pop(sequence))
                self._server.note_end()
                self._server.engine.cancel(self.owner, sequence)

    def _begin(self, order: Order) -> None:
        begin = self._server.takes.get(type(order))
        if begin is None or self._is_full:
            reason = f"the engine has {MAX_SEQUENCES} sequences already"
            if begin is None:
                reason = f"the engine takes no {type(order).__name__}"
            refusal = Output(order.sequence, [], Finish.REFUSED, reason)
            _log_end(refusal, whose(order))
            self.send(Step([refusal]))
            return
        self.live[order.sequence] = whose(order)
        log.debug("sequence begins", tokens=order.num_tokens, **self.live[order.sequence])
        self._server.num_new += 1
        self._server.prompt_tokens += order.num_tokens
        begin(self.owner, order)

    @property
    def _is_full(self) -> bool:
        return max(len(self.live), self._server.num_new) >= MAX_SEQUENCES

    def _on_lost(self, error: Exception | None) -> None:
        self._server.left(self, error)


class Server:
    """Takes in gateways, and gives each what the engine's steps did for it.

    `step` and `fatal` are called in the computing thread, all else in the event loop's.
    """

    def __init__(
        self,
        *,
        engine: AnyEngine,
        welcome: Welcome,
        loop: asyncio.AbstractEventLoop,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.engine = engine
        self.takes = _taken_by(engine)
        self.num_new = 0  # sequences, since the last outputs
        self.prompt_tokens = 0  # of all that have begun
        self._welcome = welcome
        self.loop = loop
        self._on_fatal = on_fatal
        self._owners = itertools.count()
        self._connections: dict[int, Connection] = {}
        self._on_empty: Callable[[], None] | None = None
        self._last_end = loop.time()

    @property
    def idle_seconds(self) -> float:
        """Since the last sequence ended, or the first could begin; 0 while there is one."""
        if any(connection.live for connection in self._connections.values()):
            return 0.0
        return self.loop.time() - self._last_end

    def note_end(self) -> None:
        """A sequence has ended, or from now on one could begin."""
        self._last_end = self.loop.time()

    def connection(self) -> Connection:
        """The peer for one more gateway."""
        return Connection(self, next(self._owners))

    def when_empty(self, callback: Callable[[], None]) -> None:
        """Call back as soon as no gateway is connected, which may be now."""
        self._on_empty = callback
        self._tell_if_empty()

    def joined(self, connection: Connection) -> None:
        self._connections[connection.owner] = connection
        connection.send(self._welcome)

    def left(self, connection: Connection, error: Exception | None) -> None:
        """Cancel what a lost connection had open."""
        self._connections.pop(connection.owner, None)
        if connection.live:
            self.note_end()
        for sequence in connection.live:
            self.engine.cancel(connection.owner, sequence)
        if error is not None or connection.live:
            log.warning(
                "gateway lost", cancelled=len(connection.live), error=str(error) if error else ""
            )
        self._tell_if_empty()

    def step(self, outputs: Outputs) -> None:
        """Return once the outputs are on their way.

        A compiled step keeps the interpreter from its begin to its end: what waited for the event
        loop between two steps would be sent a whole step later.
        """
        self.num_new = 0
        for owner, of_owner in outputs.items():
            if (connection := self._connections.get(owner)) is not None:
                connection.deliver(of_owner)

    def fatal(self, error: BaseException) -> None:
        self.loop.call_soon_threadsafe(self._on_fatal, error)

    def _tell_if_empty(self) -> None:
        if self._on_empty is not None and not self._connections:
            self._on_empty()


def whose(order: Order) -> Whose:
    """The request, and its trace and key where it has them."""
    ids = {"request_id": order.request_id, "trace_id": order.trace_id, "key": order.key}
    return {name: value for name, value in ids.items() if value}


def _log_end(output: Output, whose: Whose) -> None:
    if output.finish is Finish.ERROR:
        log.warning("sequence failed", reason=output.error, **whose)
    elif output.finish is Finish.REFUSED:
        log.debug("sequence refused", reason=output.error, **whose)
    else:
        log.debug("sequence ends", finish=str(output.finish), **whose)


def _taken_by(engine: AnyEngine) -> dict[type, Callable[[int, Any], None]]:
    """What begins a sequence there, by the kind of order that asks for it."""
    if isinstance(engine, Embedder):
        return {Embed: engine.embed}
    return {Submit: engine.submit}
