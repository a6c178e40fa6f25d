"""The computing thread: commands in, steps of the running sequences, their outputs out."""

import queue
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Several

import torch
from msgspec import Struct

from serve_daemon.engine.budget import Budget
from serve_daemon.engine.compiled.sequences import Piece, Sequence, pack, pieces_of
from serve_daemon.engine.compiled.slots import SlotTable
from serve_daemon.engine.compiled.step import Compute
from serve_daemon.engine.logprobs import logprobs_of
from serve_daemon.engine.pace import Pace, core_wait_seconds
from serve_daemon.engine.protocol import Outputs, Sink
from serve_daemon.engine.sampling import choose
from serve_daemon.engine.threads import compute_with

CopySlot = Callable[[int, int, int], None]  # from, to, tokens
LOOK_SECONDS = 0.05  # of computing


class Join(Struct, frozen=True):
    sequence: Sequence


class Leave(Struct, frozen=True):
    owner: int
    number: int


class Use(Struct, frozen=True):
    """Compute with this from the next step on."""

    compute: Compute


class Stop(Struct, frozen=True):
    pass


Command = Join | Leave | Use | Stop


class Loop:
    """Owns the sequences and the slots; everything but `tell` happens in the computing thread."""

    def __init__(
        self, *, compute: Compute, slots: int, max_tokens: int, copy_slot: CopySlot
    ) -> None:
        self._compute = compute
        self._copy_slot = copy_slot
        self._slots = SlotTable(slots)
        self._budget = Budget(max_tokens)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._stopping = False
        self.sink: Sink | None = None
        self.wanted_threads = 1
        self._pace = Pace(1)
        self._threads = 0
        self._computed_seconds = 0.0  # since it was looked how long this thread waited for a core
        self._waited_seconds = 0.0  # up to then
        self.steps = 0
        self.generated_tokens = 0
        self.last_progress = time.monotonic()

    @property
    def num_running(self) -> int:
        return len(self._running)

    def tell(self, command: Command) -> None:
        self._commands.put(command)

    @torch.inference_mode()
    def run(self) -> None:
        """Compute until told to stop."""
        while not self._stopping:
            self._obey()
            self._admit()
            if self._running and not self._stopping:
                self._step()

    # ------------------------------------------------ commands

    def _obey(self) -> None:
        """Carry out what was asked; wait for it where there is nothing else to do."""
        if not self._running and not self._waiting:
            self._carry_out(self._commands.get())
            self.last_progress = time.monotonic()
            self._computed_seconds, self._waited_seconds = 0.0, core_wait_seconds()
        while not self._commands.empty():
            self._carry_out(self._commands.get())

    def _carry_out(self, command: Command) -> None:
        match command:
            case Join(sequence=sequence):
                self._waiting.append(sequence)
            case Leave(owner=owner, number=number):
                self._drop(owner, number)
            case Use(compute=compute):
                self._compute = compute
            case Stop():
                self._stopping = True

    def _drop(self, owner: int, number: int) -> None:
        for sequence in [*self._running, *self._waiting]:
            if (sequence.owner, sequence.submit.sequence) == (owner, number):
                self._remove(sequence)

    def _remove(self, sequence: Sequence) -> None:
        if sequence in self._running:
            self._running.remove(sequence)
            self._take_down(sequence)
            self._slots.release(sequence.slot)
        else:
            self._waiting.remove(sequence)

    def _take_down(self, sequence: Sequence) -> None:
        self._slots.computed(sequence.slot, sequence.tokens[: sequence.num_computed])

    def _admit(self) -> None:
        if not (self._waiting and self._slots.num_free):
            return
        for sequence in self._running:
            self._take_down(sequence)
        while self._waiting and self._slots.num_free:
            sequence = self._waiting.popleft()
            lease = self._slots.acquire(sequence.tokens)
            if lease.copy_from is not None:
                self._copy_slot(lease.copy_from, lease.slot, lease.num_cached)
            sequence.slot = lease.slot
            sequence.num_computed = sequence.num_cached = lease.num_cached
            self._running.append(sequence)

    # ------------------------------------------------ a step

    def _step(self) -> None:
        start = time.monotonic()
        self._adapt_threads()
        num_decoding = sum(sequence.is_decoding for sequence in self._running)
        num_prompts = len(self._running) - num_decoding
        share = self._budget.prompt_tokens(num_decoding, num_prompts)
        pieces = list(pieces_of(self._running, share))
        logits = self._compute(pack(pieces))
        for piece in pieces:
            piece.sequence.num_computed = piece.stop
        outputs = self._sample([piece for piece in pieces if piece.is_last], logits)
        now = time.monotonic()
        num_prompt = sum(piece.stop - piece.start for piece in pieces) - num_decoding
        self._budget.add_step(now - start, num_decoding, num_prompt)
        self._keep_pace(now - start)
        self.steps += 1
        self.last_progress = now
        if outputs and self.sink is not None:
            self.sink.step(outputs)

    def _sample(self, pieces: Several[Piece], logits: torch.Tensor) -> Outputs:
        """Draw a token for each sequence whose turn it is, and let go of those that end with it."""
        if not pieces:
            return {}
        draws = [piece.sequence.draw() for piece in pieces]
        rows = logits[: len(draws)]
        tokens = choose(rows, draws)
        logprobs = logprobs_of(rows, tokens, draws)
        outputs: Outputs = {}
        for row, token in enumerate(tokens.tolist()):
            sequence = pieces[row].sequence
            output = sequence.add(token, logprobs.get(row))
            outputs.setdefault(sequence.owner, []).append(output)
            if output.finish is not None:
                self._remove(sequence)
        self.generated_tokens += len(draws)
        return outputs

    def _keep_pace(self, step_seconds: float) -> None:
        """Look now and then, not at each step: it takes as long as a hundredth of a short one."""
        self._computed_seconds += step_seconds
        if self._computed_seconds >= LOOK_SECONDS:
            waited = core_wait_seconds()
            self._pace.add_step(self._computed_seconds, waited - self._waited_seconds)
            self._computed_seconds, self._waited_seconds = 0.0, waited

    def _adapt_threads(self) -> None:
        self._pace.allow(self.wanted_threads)
        if self._threads != self._pace.threads:
            self._threads = self._pace.threads
            compute_with(self._threads)
