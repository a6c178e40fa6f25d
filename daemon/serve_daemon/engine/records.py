"""The tokens of one sequence, and what its sampling makes of them."""

from array import array
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from serve_daemon.engine.bans import Bans
from serve_daemon.engine.grammar import Grammar
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

Tokens = NDArray[np.int64]


class Record:
    """One sequence as it grows; a grammar, if there is one, goes on by every token of output."""

    def __init__(
        self, sampling: Sampling, stop_tokens: Sequence[int], grammar: Grammar | None = None
    ) -> None:
        self.sampling = sampling
        self.length = 0  # tokens of prompt and output
        self.grammar = grammar
        self.adjusts = _adjusts(sampling)
        self._stop_tokens = stop_tokens
        self._bans = Bans(sampling.banned)
        self._num_output = 0
        self._has_penalties = has_penalties(sampling)
        self._places: dict[int, int] = {}
        self._tokens = array("q")  # each token once
        self._counts = array("q")  # how often it is in the output

    def add_prompt(self, tokens: Sequence[int]) -> None:
        self._count(tokens, 0)

    def add_output(self, tokens: Sequence[int]) -> None:
        self._num_output += len(tokens)
        self._count(tokens, 1)
        if self.grammar is not None:
            for token in tokens:
                self.grammar.accept(token)

    @cached_property
    def allowed(self) -> Tokens:
        """The only tokens that may ever come; none where all may."""
        return np.array(sorted(set(self.sampling.allowed)), dtype=np.int64)

    @property
    def error(self) -> str:
        """Why there can be no next token; "" if there can."""
        return "" if self.grammar is None else self.grammar.error

    @property
    def biases(self) -> tuple[Tokens, NDArray[np.float64]]:
        """Tokens, and what is added to the logit of each now."""
        tokens, biases = self._wanted_biases
        must_not_come = [*self._withheld, *self._bans.next]
        if not must_not_come:
            return tokens, biases
        banned = np.array(must_not_come, dtype=np.int64)
        return np.append(tokens, banned), np.append(biases, np.full(len(banned), -np.inf))

    @property
    def counted(self) -> tuple[Tokens, Tokens]:
        """Every token of the sequence once, and how often each is in its output."""
        return np.array(self._tokens), np.array(self._counts)

    @cached_property
    def _wanted_biases(self) -> tuple[Tokens, NDArray[np.float64]]:
        wanted = self.sampling.logit_bias
        return np.array(list(wanted), dtype=np.int64), np.array(list(wanted.values()), dtype=float)

    @property
    def _withheld(self) -> Sequence[int]:
        if self.grammar is not None and self.grammar.is_complete:
            return ()  # there is nothing else
        return self._stop_tokens if self._num_output < self.sampling.min_tokens else ()

    def _count(self, tokens: Sequence[int], weight: int) -> None:
        self.length += len(tokens)
        self._bans.add(tokens)
        if not self._has_penalties:
            return
        for token in tokens:
            place = self._places.setdefault(token, len(self._tokens))
            if place == len(self._tokens):
                self._tokens.append(token)
                self._counts.append(0)
            self._counts[place] += weight


def has_penalties(sampling: Sampling) -> bool:
    return (
        sampling.repetition_penalty != 1
        or sampling.presence_penalty != 0
        or sampling.frequency_penalty != 0
    )


def record_of(submit: Submit, grammar: Grammar | None = None) -> Record | None:
    """The record that the sampling of `submit` needs; None if it goes without."""
    if grammar is None and not _adjusts(submit.sampling):
        return None
    record = Record(submit.sampling, submit.stop_tokens, grammar)
    prompt_length = len(submit.tokens) - submit.num_output
    record.add_prompt(submit.tokens[:prompt_length])
    record.add_output(submit.tokens[prompt_length:])
    return record


def _adjusts(sampling: Sampling) -> bool:
    """Whether it changes logits, by what the sequence's tokens are or by itself."""
    return bool(
        has_penalties(sampling)
        or sampling.logit_bias
        or sampling.min_tokens
        or sampling.banned
        or sampling.allowed
    )
