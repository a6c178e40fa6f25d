"""The grammars of an engine's sequences: made beside the computing thread, masks ahead of it.

llguidance reads the vocabulary from the tokenizer.json that the gateway reads, too, when the first
sequence with a grammar comes. Such a sequence joins the others once its grammar is made.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import structlog
import torch
from llguidance import LLExecutor, LLMatcher, LLParserLimits, LLTokenizer

from serve_daemon.engine.artefacts import TOKENIZER
from serve_daemon.engine.grammar import WORD_BITS
from serve_daemon.engine.matcher import Masks, Matcher
from serve_daemon.wire.grammars import LIMITS
from serve_daemon.wire.messages import Submit

KEPT = 64  # grammars, for sequences with equal ones
MOST_THREADS = 8

log = structlog.get_logger()
T = TypeVar("T")


class GrammarError(Exception):
    """No grammar can be made for a sequence; the message says why."""


class Grammars:
    """Makes grammars, and knows of sequences that wait for theirs."""

    def __init__(
        self,
        artefacts: Path,
        vocabulary: int,
        eos_tokens: Sequence[int],
        *,
        has_spare_cores: bool = True,
    ) -> None:
        self._artefacts = artefacts
        # Else a step is computed on all of them, and masks beside it would only be in its way.
        self._has_spare_cores = has_spare_cores
        self._vocabulary = vocabulary
        self._eos_tokens = list(eos_tokens)
        self._kept: OrderedDict[str, LLMatcher] = OrderedDict()  # of the making thread
        self._lock = threading.Lock()
        self._waiting: set[Hashable] = set()
        self._moved: list[Matcher] = []  # of the computing thread

    # ------------------------------------------------ sequences that wait

    def prepare(
        self,
        name: Hashable,
        submit: Submit,
        make: Callable[[Matcher], T],
        join: Callable[[T], None],
        refuse: Callable[[str], None],
    ) -> None:
        """Return at once; call `join`, from another thread, with what `make` made of the grammar.

        Or `refuse` with the reason, or neither where the sequence was cancelled before.
        """
        self._waiting.add(name)
        self._maker.submit(self._prepare, name, submit, make, join, refuse)

    def cancel(self, name: Hashable) -> bool:
        """Whether the sequence still waited, and now never joins."""
        with self._lock:
            was_waiting = name in self._waiting
            self._waiting.discard(name)
            return was_waiting

    def _prepare(
        self,
        name: Hashable,
        submit: Submit,
        make: Callable[[Matcher], T],
        join: Callable[[T], None],
        refuse: Callable[[str], None],
    ) -> None:
        if name not in self._waiting:
            return
        try:
            matcher = self.begin(submit)
            made = make(matcher)
            matcher.mask()
        except GrammarError as error:
            if self.cancel(name):
                refuse(str(error))
            return
        with self._lock:
            if name in self._waiting:
                self._waiting.remove(name)
                join(made)

    # ------------------------------------------------ making one

    def begin(self, submit: Submit) -> Matcher:
        """The grammar of `submit` before its first token.

        Raises `GrammarError`.
        """
        matcher = self._fresh(submit.grammar)
        ends = [
            token
            for token in submit.stop_tokens
            if token not in self._eos_tokens and self._tokenizer.is_special_token(token)
        ]
        return Matcher(matcher, ends, self._compute, self._note_move)

    def _fresh(self, grammar: str) -> LLMatcher:
        if grammar not in self._kept:
            limits = LLParserLimits(**LIMITS)
            matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=limits)
            if matcher.is_error():
                raise GrammarError(f"its grammar can't be used: {matcher.get_error():.500}")
            self._kept[grammar] = matcher
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(grammar)
        return self._kept[grammar].deep_copy()

    @cached_property
    def _tokenizer(self) -> LLTokenizer:
        try:
            text = _plain_tokenizer(self._artefacts / TOKENIZER)
            tokenizer = self._tokenizer_of(text)
        except (OSError, ValueError) as error:
            reason = f"llguidance can't read the model's tokenizer: {str(error)[:500]}"
            raise GrammarError(reason) from error
        log.info("vocabulary read for grammars", tokens=tokenizer.vocab_size)
        return tokenizer

    def _tokenizer_of(self, text: str) -> LLTokenizer:
        ends = self._eos_tokens or None
        try:
            return LLTokenizer(text, n_vocab=self._vocabulary, eos_token=ends)
        except ValueError:  # it has tokens that the model has not
            return LLTokenizer(text, eos_token=ends)

    # ------------------------------------------------ masks

    def foresee(self) -> None:
        """Compute the masks of all that have moved on, beside the next step where cores are spare.

        To be called between two steps, in that thread.
        """
        moved, self._moved = dict.fromkeys(self._moved), []
        if waiting := [each for each in moved if each.needs_mask]:
            self._compute(waiting)

    def _note_move(self, matcher: Matcher) -> None:
        self._moved.append(matcher)

    def _compute(self, matchers: list[Matcher]) -> Masks:
        words = -(-self._tokenizer.vocab_size // WORD_BITS)
        table = torch.empty((len(matchers), words), dtype=torch.int32)
        masks = Masks(table, self._filled(matchers, table))
        for row, each in enumerate(matchers):
            each.expect(masks, row)
        return masks

    def _filled(self, matchers: list[Matcher], table: torch.Tensor) -> Future[None]:
        pairs = [(each.matcher, row) for row, each in enumerate(matchers)]
        if self._has_spare_cores:
            return self._foreseer.submit(self._fill, pairs, table)
        for matcher, row in pairs:
            words = table[row]
            matcher.unsafe_compute_mask_ptr(words.data_ptr(), words.nbytes)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def _fill(self, matchers: list[tuple[LLMatcher, int]], table: torch.Tensor) -> None:
        rows, words = table.shape
        self._executor.unsafe_compute_mask_ptr(
            matchers, table.data_ptr(), words * table.element_size(), rows
        )

    @cached_property
    def _maker(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "grammars")

    @cached_property
    def _foreseer(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, "masks")

    @cached_property
    def _executor(self) -> LLExecutor:
        return LLExecutor(num_threads=max(1, min(MOST_THREADS, (os.cpu_count() or 1) // 2)))


def _plain_tokenizer(file: Path) -> str:
    """A tokenizer.json without what it cuts off and fills up."""
    parts: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, msgspec.Raw])
    plain = parts | {"truncation": None, "padding": None}
    return msgspec.json.encode(plain).decode()
