"""Engines without a process or a socket: a test says what they send, and when they go.

Every answer is the same: the token at a position is `token_at(position)`, so that whatever is lost
or doubled shows.
"""

import asyncio
import itertools
from typing import Any
from unittest import mock

from serve_daemon.gateway.engines import connections
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.wire.messages import (
    Cancel,
    EngineReady,
    Finish,
    FromEngine,
    Output,
    Step,
    Submit,
    Welcome,
)
from serve_daemon.wire.routing import EngineAddress, EngineEnded, Route, Routes
from serve_daemon.wire.transport import Peer

READY = EngineReady("/nowhere", 1000, 4, 10_000, [0], "cpu", "float32", "sdpa", 1, 1)
SETTLING_TURNS = 50  # of the loop; enough for whatever follows from one event


def token_at(position: int) -> int:
    return 100 + position


async def settle() -> None:
    """Let everything happen that needs no time."""
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)


class Hearing(Peer[FromEngine]):
    """Keeps what is sent instead of sending it."""

    def __init__(self, engine: "ScriptedEngine") -> None:
        super().__init__(FromEngine, lambda _message: None, lambda _error: None)
        self._engine = engine
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def send(self, message: object) -> None:
        if not self._is_closed:
            self._hear(message)

    def _hear(self, message: object) -> None:
        match message:
            case Submit(sequence=number, max_new_tokens=rest):
                assert rest > 0, "nothing is left to be generated"
                self._engine.work[number] = message
                self._engine.submits.append(message)
            case Cancel(sequence=number):
                self._engine.work.pop(number, None)


class ScriptedEngine(Engine):
    """Connected as soon as the table has it."""

    def __init__(self, *arguments: Any) -> None:
        self.work: dict[int, Submit] = {}
        self.submits: list[Submit] = []
        self._made: dict[int, int] = {}
        super().__init__(*arguments)

    def _new_peer(self) -> Peer[FromEngine]:
        return Hearing(self)

    async def _connect(self) -> None:
        self._received(Welcome(self.engine_id, "m"))

    def generate(self, number: int, count: int, *, tells_end: bool = True, cached: int = 0) -> None:
        """Send up to `count` more tokens of a sequence."""
        submit = self.work[number]
        made = self._made.setdefault(number, 0)
        count = min(count, submit.max_new_tokens - made)
        first = len(submit.tokens) + made
        tokens = [token_at(position) for position in range(first, first + count)]
        self._made[number] += count
        is_end = self._made[number] == submit.max_new_tokens
        finish = Finish.LENGTH if is_end and tells_end else None
        if finish is not None:
            del self.work[number]
        self._received(Step([Output(number, tokens, finish, cached_tokens=cached)]))

    def refuse(self, number: int) -> bool:
        """Refuse a sequence that has not begun."""
        if self._made.get(number):
            return False
        del self.work[number]
        self._received(Step([Output(number, [], Finish.REFUSED, "it goes")]))
        return True

    def go(self) -> None:
        """Be there no more."""
        self.work.clear()
        self._peer.close()
        self._lost(None)


class ScriptedModel:
    """A routing table for model m, and the engines that it ever had."""

    def __init__(self, queue_timeout: float = 60.0, ready: EngineReady = READY) -> None:
        self._queue_timeout = queue_timeout
        self._ready = ready  # of engines of which nothing else is said
        self.table = RoutingTable(lambda _model: None)
        self.engines: list[ScriptedEngine] = []
        self._serving: list[str] = []
        self._ids = (f"e{number}" for number in itertools.count(1))
        self._versions = itertools.count(1)
        self._publish({})

    def add(self, ready: EngineReady | None = None) -> ScriptedEngine:
        """One more engine."""
        self._serving.append(next(self._ids))
        addresses = {each.engine_id: each.address for each in self.engines}
        newest = self._serving[-1]
        addresses[newest] = EngineAddress(newest, "/nowhere", ready or self._ready)
        self._publish(addresses)
        engine = self.table.engines._engines[newest]
        assert isinstance(engine, ScriptedEngine)
        self.engines.append(engine)
        return engine

    def withdraw(self, engine: ScriptedEngine) -> None:
        """Take it out of the table, where it is."""
        if engine.engine_id in self._serving:
            self._serving.remove(engine.engine_id)
            self._publish({each.engine_id: each.address for each in self.engines})

    def end(self, engine: ScriptedEngine, *, crashed: bool) -> None:
        """Its process ends; the supervisor tells what it knows."""
        engine.go()
        verdict = EngineEnded(engine.engine_id, is_own_making=crashed, reason="as told")
        self.table.verdicts.give(verdict)
        self.withdraw(engine)

    def _publish(self, addresses: dict[str, EngineAddress]) -> None:
        serving = [addresses[each] for each in self._serving]
        route = Route(
            model="m",
            aliases=[],
            state="ready",
            reason="",
            can_wait=True,
            queue_timeout=self._queue_timeout,
            max_queue=64,
            created=0,
            engines=serving,
        )
        with mock.patch.object(connections, "Engine", ScriptedEngine):
            self.table.apply(Routes(next(self._versions), [route]))
