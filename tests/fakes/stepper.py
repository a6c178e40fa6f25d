"""The sequences of a fake engine, and the steps that advance them."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fakes.behaviour import Author, Behaviour, happens
from fakes.vectors import packed, vector_of
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
from serve_daemon.wire.sampling import NO_LOGPROBS, Logprobs
from serve_daemon.wire.transport import Peer


@dataclass(eq=False)
class Running:
    """A sequence, and the gateway that asked for it."""

    owner: "Connection"
    submit: Order
    number: int
    begins: float  # loop time of its next token
    text: Iterator[int]
    generated: int = 0
    stamps: list[float] = field(default_factory=list)


class GatewayPeer(Peer[ToEngine]):
    """Is welcomed as soon as it is connected."""

    welcome: Welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(self.welcome)


@dataclass(eq=False)
class Connection:
    """One gateway."""

    stepper: "Stepper"
    sequences: dict[int, Running] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    ended: list[Running] = field(default_factory=list)  # with their last token in `outputs`

    def make_peer(self, welcome: Welcome) -> Peer[ToEngine]:
        self.peer = GatewayPeer(ToEngine, self.received, self.lost)
        self.peer.welcome = welcome
        self.stepper.connections.add(self)
        return self.peer

    def received(self, message: ToEngine) -> None:
        self.stepper.record(message)
        if isinstance(message, Cancel):
            self.sequences.pop(message.sequence, None)
        else:
            self.stepper.accept(self, message)

    def lost(self, _error: Exception | None) -> None:
        self.sequences.clear()
        self.stepper.connections.discard(self)
        self.stepper.on_connection_lost()


class Stepper:
    """What would be the decode loop of a real engine."""

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        max_requests: int,
        max_context: int,
        on_connection_lost: Callable[[], None],
    ) -> None:
        self.max_requests = max_requests
        self.max_context = max_context
        self.on_connection_lost = on_connection_lost
        self.author = Author(behaviour.text, behaviour.order)
        self.connections: set[Connection] = set()
        self.requests = self.steps = self.generated = 0
        self._behaviour = behaviour
        self._work = asyncio.Event()
        self._hanging = False
        self._last_step = 0.0

    @property
    def in_work(self) -> int:
        return sum(len(connection.sequences) for connection in self.connections)

    @property
    def stalled_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._last_step if self.in_work else 0.0

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self.in_work else asyncio.get_running_loop().time() - self._last_step

    def record(self, message: ToEngine) -> None:
        if self._behaviour.record:
            with Path(self._behaviour.record).open("ab") as file:
                file.write(msgspec.json.encode(message) + b"\n")

    def accept(self, connection: Connection, submit: Order) -> None:
        self.requests += 1
        behaviour, loop = self._behaviour, asyncio.get_running_loop()
        if (finish := self._failure()) is not None:
            failure = Output(submit.sequence, [], finish, "the fake engine was told to")
            connection.peer.send(Step([failure]))
            return
        if happens(self.requests, behaviour.freeze_on, behaviour.once):
            os.kill(os.getpid(), signal.SIGSTOP)
        if happens(self.requests, behaviour.hang_on, behaviour.once):
            self._hanging = True
        if not self.in_work:
            self._last_step = loop.time()
        connection.sequences[submit.sequence] = Running(
            owner=connection,
            submit=submit,
            number=self.requests,
            begins=loop.time() + behaviour.prefill,
            text=iter(()) if isinstance(submit, Embed) else self.author.write(submit.tokens),
        )
        self._work.set()

    def _failure(self) -> Finish | None:
        behaviour = self._behaviour
        refuses_all = behaviour.refuse_all and self.requests >= behaviour.refuse_on
        if refuses_all or self.requests == behaviour.refuse_on:
            return Finish.REFUSED
        return Finish.ERROR if self.requests == behaviour.error_on else None

    async def step_for_ever(self) -> None:
        self._last_step = asyncio.get_running_loop().time()
        while True:
            await self._work.wait()
            await asyncio.sleep(self._behaviour.token_delay)  # it plays the time of computing
            if not self._hanging:
                self._step()

    def _step(self) -> None:
        now = asyncio.get_running_loop().time()
        everything = [run for link in self.connections for run in link.sequences.values()]
        if not everything:
            self._work.clear()
        everything.sort(key=lambda run: run.number)
        for running in everything[: self.max_requests]:
            if running.begins <= now:
                self._advance(running)
        for connection in self.connections:
            if connection.outputs:
                self._stamp(connection)
                connection.peer.send(Step(connection.outputs))
                connection.outputs = []
        self.steps += 1
        self._last_step = now

    def _advance(self, running: Running) -> None:
        self._crash_if_told_to(running)
        if isinstance(running.submit, Embed):
            self._embed(running, running.submit)
            return
        token = _only_one(running.submit) or next(running.text)
        running.generated += 1
        running.begins += self._behaviour.pace
        self.generated += 1
        finish = self._finish(running, running.submit, token)
        if finish is not None:
            running.owner.ended.append(running.owner.sequences.pop(running.submit.sequence))
        output = Output(
            running.submit.sequence, [token], finish, logprobs=_logprobs(running.submit, token)
        )
        running.owner.outputs.append(output)

    def _embed(self, running: Running, order: Embed) -> None:
        dimensions = self._behaviour.dimensions
        vectors = b"".join(packed(vector_of(text, dimensions)) for text in order.texts)
        running.owner.ended.append(running.owner.sequences.pop(order.sequence))
        running.owner.outputs.append(Output(order.sequence, [], Finish.STOP, vectors=vectors))

    def _stamp(self, connection: Connection) -> None:
        """Note when the tokens go out, by the clock that all processes of a host share."""
        ended, connection.ended = connection.ended, []
        if not self._behaviour.stamps:
            return
        now = time.monotonic()
        last = {running.submit.sequence: running for running in ended}
        for output in connection.outputs:
            running = last.get(output.sequence) or connection.sequences[output.sequence]
            running.stamps.append(now)
        with Path(self._behaviour.stamps).open("ab") as file:
            for running in ended:
                file.write(msgspec.json.encode((running.submit.request_id, running.stamps)) + b"\n")

    def _crash_if_told_to(self, running: Running) -> None:
        behaviour = self._behaviour
        if behaviour.poison and behaviour.poison in self._read(running.submit):
            sys.stderr.write("fake engine: aborting over a poisonous prompt\n")
            sys.stderr.flush()
            os.abort()
        if happens(running.number, behaviour.swallow_on, behaviour.once):
            self.swallow()
        worn_out = behaviour.crash_after and self.generated >= behaviour.crash_after
        if worn_out or happens(running.number, behaviour.crash_on, behaviour.once):
            sys.stderr.write("fake engine: crashing as told\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    def swallow(self) -> None:
        """Take memory as told, really: every byte is written."""
        self._swallowed = b"x" * (self._behaviour.swallow * 2**20)

    def _read(self, order: Order) -> str:
        texts = order.texts if isinstance(order, Embed) else [order.tokens]
        return " ".join(map(self.author.read, texts))

    def _finish(self, running: Running, submit: Submit, token: int) -> Finish | None:
        if token in submit.stop_tokens and self._behaviour.eos:
            return Finish.STOP
        full = len(submit.tokens) + running.generated >= self.max_context
        if full or running.generated >= submit.max_new_tokens:
            return Finish.LENGTH
        return None


def _only_one(submit: Submit) -> int | None:
    """The token that is asked for, where it is one that is asked for alone."""
    allowed = submit.sampling.allowed
    return allowed[0] if len(allowed) == submit.max_new_tokens == 1 else None


def _logprobs(submit: Submit, token: int) -> list[Logprobs]:
    """As if the model was sure of each token by half, and of those before it ever less."""
    count = submit.sampling.logprobs
    if count == NO_LOGPROBS:
        return []
    return [
        Logprobs(
            logprob=-0.5,
            top_tokens=[token - place for place in range(count)],
            top_logprobs=[-0.5 - place for place in range(count)],
        )
    ]
