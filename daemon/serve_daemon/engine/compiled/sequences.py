"""The sequences of the engine, and which of their tokens the next step computes. Pure."""

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Several

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from serve_daemon.engine.grammar import Grammar
from serve_daemon.engine.records import Record, record_of
from serve_daemon.engine.sampling import Draw
from serve_daemon.wire.messages import Finish, Output, Submit
from serve_daemon.wire.sampling import Logprobs

Places = NDArray[np.int64]
NOWHERE = -1  # the slot of a token that fills up the batch

# A lone row goes through other kernels, with other rounding, than a row among several.
SMALLEST_BATCH = 2


class Sequence:
    """One request: its tokens so far, and how many of them have their keys and values stored."""

    def __init__(
        self, owner: int, submit: Submit, max_context: int, grammar: Grammar | None = None
    ) -> None:
        self.owner = owner
        self.submit = submit
        self.tokens = list(submit.tokens)
        self.slot = NOWHERE
        self.num_computed = 0
        self.num_cached = 0
        self._max_length = min(max_context, len(self.tokens) + submit.max_new_tokens)
        self._stop_tokens = frozenset(submit.stop_tokens)
        self._record: Record | None = record_of(submit, grammar)
        self._is_first_output = True

    @property
    def is_decoding(self) -> bool:
        """Whether its newest token is all that it lacks."""
        return len(self.tokens) > len(self.submit.tokens)

    def draw(self) -> Draw:
        """How the token after all those that it has is drawn."""
        return Draw(self.submit.sampling, len(self.tokens), self._record)

    def add(self, token: int, logprobs: Logprobs | None) -> Output:
        """Take in the token that was drawn; what is to be told of it."""
        self.tokens.append(token)
        if self._record is not None:
            self._record.add_output([token])
            if self._record.error:
                return Output(self.submit.sequence, [], Finish.ERROR, self._record.error)
        finish = None
        if token in self._stop_tokens:
            finish = Finish.STOP
        elif len(self.tokens) >= self._max_length:
            finish = Finish.LENGTH
        num_cached = self.num_cached if self._is_first_output else 0
        self._is_first_output = False
        told = [] if logprobs is None else [logprobs]
        return Output(self.submit.sequence, [token], finish, "", num_cached, told)


class Piece(Struct, frozen=True):
    """Neighbouring tokens of one sequence that a step computes."""

    sequence: Sequence
    start: int
    stop: int

    @property
    def is_last(self) -> bool:
        """Whether the sequence's next token can be drawn after it."""
        return self.stop == len(self.sequence.tokens)


class Batch(Struct, frozen=True):
    """The packed tokens of one step."""

    tokens: Places  # [T]
    slots: Places  # [T]
    positions: Places  # [T]
    wanted: Places  # [R], the rows whose logits are needed; never less than two
    is_every_row_wanted: bool = False  # of those that belong to a sequence


def pieces_of(sequences: Iterable[Sequence], prompt_tokens: int) -> Iterator[Piece]:
    """One token of each sequence that decodes, and up to `prompt_tokens` of the others' prompts."""
    for sequence in sequences:
        length = len(sequence.tokens)
        if sequence.is_decoding:
            yield Piece(sequence, sequence.num_computed, length)
        elif prompt_tokens > 0:
            stop = min(length, sequence.num_computed + prompt_tokens)
            prompt_tokens -= stop - sequence.num_computed
            yield Piece(sequence, sequence.num_computed, stop)


def pack(pieces: Several[Piece]) -> Batch:
    """The tokens of `pieces` one after the other, filled up to `SMALLEST_BATCH`."""
    tokens: list[int] = []
    slots: list[int] = []
    positions: list[int] = []
    wanted: list[int] = []
    for piece in pieces:
        tokens += piece.sequence.tokens[piece.start : piece.stop]
        slots += [piece.sequence.slot] * (piece.stop - piece.start)
        positions += range(piece.start, piece.stop)
        if piece.is_last:
            wanted.append(len(tokens) - 1)
    missing = max(SMALLEST_BATCH - len(tokens), 0)
    return Batch(
        tokens=_places(tokens + [0] * missing),
        slots=_places(slots + [NOWHERE] * missing),
        positions=_places(positions + [0] * missing),
        wanted=_places(wanted + [0] * (SMALLEST_BATCH - len(wanted))),
        is_every_row_wanted=len(wanted) == len(tokens),
    )


def _places(numbers: list[int]) -> Places:
    return np.array(numbers, dtype=np.int64)
