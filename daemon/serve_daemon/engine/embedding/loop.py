"""The computing thread: orders in, steps over the texts that wait, vectors out."""

import queue
import time
from collections.abc import Callable
from itertools import count

import torch
from msgspec import Struct

from serve_daemon.engine.embedding.batches import Text, Waiting
from serve_daemon.engine.pace import Pace, core_wait_seconds
from serve_daemon.engine.protocol import Outputs, Sink
from serve_daemon.engine.threads import compute_with
from serve_daemon.wire.messages import Embed, Finish, Output

Compute = Callable[[list[list[int]]], torch.Tensor]  # tokens of texts; [texts, dimensions]


class Join(Struct, frozen=True):
    owner: int
    order: Embed


class Leave(Struct, frozen=True):
    owner: int
    number: int


class Stop(Struct, frozen=True):
    pass


Command = Join | Leave | Stop


class Work:
    """An order, and the vectors that there are of it."""

    def __init__(self, owner: int, order: Embed) -> None:
        self.owner = owner
        self.order = order
        self._vectors: list[bytes] = [b""] * len(order.texts)
        self._left = len(order.texts)

    def put(self, place: int, vector: bytes) -> bool:
        """Whether that was the last one."""
        self._vectors[place] = vector
        self._left -= 1
        return not self._left

    @property
    def output(self) -> Output:
        return Output(self.order.sequence, [], Finish.STOP, vectors=b"".join(self._vectors))


class Loop:
    """Owns the orders; everything but `tell` happens in the computing thread."""

    def __init__(self, compute: Compute, max_tokens: int, threads: int) -> None:
        self._compute = compute
        self._max_tokens = max_tokens
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._names = count()
        self._works: dict[int, Work] = {}
        self._waiting = Waiting()
        self._stopping = False
        self.sink: Sink | None = None
        self.wanted_threads = threads
        self._pace = Pace(1)
        self._threads = 0
        self.steps = 0
        self.num_running = 0  # orders that have texts in this step
        self.last_progress = time.monotonic()

    def tell(self, command: Command) -> None:
        self._commands.put(command)

    def run(self) -> None:
        """Compute until told to stop."""
        while not self._stopping:
            self._obey()
            if self._waiting and not self._stopping:
                self._step()

    # ------------------------------------------------ commands

    def _obey(self) -> None:
        """Carry out what was asked; wait for it where there is nothing else to do."""
        if not self._waiting:
            self._carry_out(self._commands.get())
            self.last_progress = time.monotonic()
        while not self._commands.empty():
            self._carry_out(self._commands.get())

    def _carry_out(self, command: Command) -> None:
        match command:
            case Join(owner=owner, order=order):
                name = next(self._names)
                self._works[name] = Work(owner, order)
                self._waiting.add(name, [len(text) for text in order.texts])
            case Leave(owner=owner, number=number):
                self._drop(owner, number)
            case Stop():
                self._stopping = True

    def _drop(self, owner: int, number: int) -> None:
        for name, work in list(self._works.items()):
            if (work.owner, work.order.sequence) == (owner, number):
                del self._works[name]
                self._waiting.drop(name)

    # ------------------------------------------------ a step

    def _step(self) -> None:
        start, waited = time.monotonic(), core_wait_seconds()
        self._adapt_threads()
        texts = self._waiting.take(self._max_tokens)
        self.num_running = len({text.order for text in texts})
        vectors = self._compute([self._works[each.order].order.texts[each.place] for each in texts])
        outputs = self._put(texts, vectors)
        now = time.monotonic()
        self._pace.add_step(now - start, core_wait_seconds() - waited)
        self.steps += 1
        self.num_running = 0
        self.last_progress = now
        if outputs and self.sink is not None:
            self.sink.step(outputs)

    def _put(self, texts: list[Text], vectors: torch.Tensor) -> Outputs:
        """Give each order its vectors; what those say that are complete."""
        outputs: Outputs = {}
        for text, vector in zip(texts, vectors.numpy(), strict=True):
            work = self._works[text.order]
            if work.put(text.place, vector.astype("<f4", copy=False).tobytes()):
                outputs.setdefault(work.owner, []).append(work.output)
                del self._works[text.order]
        return outputs

    def _adapt_threads(self) -> None:
        self._pace.allow(self.wanted_threads)
        if self._threads != self._pace.threads:
            self._threads = self._pace.threads
            compute_with(self._threads)
