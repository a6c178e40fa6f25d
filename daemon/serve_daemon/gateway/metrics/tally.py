"""One request on its way, as far as it is counted: what it waits for, its tokens, its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.metrics.meter import Meter
from serve_daemon.wire.metrics import Counter, Histogram, Outcome

TOO_MANY, FAILED, UNAVAILABLE = 429, 500, 503


class Tally:
    """From when a request is let in; what has several answers has one for each."""

    __slots__ = (
        "_at_engine",
        "_first",
        "_generated",
        "_is_over",
        "_last",
        "_let_in",
        "_meter",
        "_prompt",
    )

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._let_in = monotonic()
        self._at_engine = 0.0  # 0: not yet
        self._first = 0.0  # token
        self._last = 0.0
        self._prompt = self._generated = 0
        self._is_over = False

    def reach_engine(self) -> None:
        """An engine is given it; again is no error, and nothing new."""
        if not self._at_engine:
            self._at_engine = monotonic()
            self._meter.observe(Histogram.QUEUE, self._at_engine - self._let_in)

    def prompt(self, tokens: int, cached: int) -> None:
        """Its prompt is computed, of which so much was there already."""
        self._prompt = tokens
        self._meter.add(Counter.PROMPT_TOKENS, tokens)
        self._meter.add(Counter.CACHED_TOKENS, cached)

    def begin(self) -> None:
        """Its first token is there, to be told with `tokens`; not where others have counted it."""
        self._first = monotonic()
        self._meter.observe(Histogram.FIRST, self._first - self._let_in)

    def tokens(self, count: int) -> None:
        """So many have come; of several at once each took as long."""
        now = monotonic()
        if self._last:
            self._meter.next_tokens(count, now - self._last)
        else:
            self._meter.first_tokens(count)
            now = self._first or now
        self._last = now
        self._generated += count

    def finish(self, outcome: Outcome) -> None:
        """It is over, as it should."""
        if self._is_over:
            return
        self.end(outcome)
        now, observe = monotonic(), self._meter.observe
        observe(Histogram.WHOLE, now - self._let_in)
        observe(Histogram.PROMPT_TOKENS, self._prompt)
        if not self._first:
            return
        observe(Histogram.GENERATED_TOKENS, self._generated)
        observe(Histogram.PREFILL, self._first - self._at_engine)
        observe(Histogram.DECODE, self._last - self._first)
        observe(Histogram.INFERENCE, self._last - self._at_engine)
        if self._generated > 1:
            each = (self._last - self._first) / (self._generated - 1)
            observe(Histogram.EACH, each)

    def end(self, outcome: Outcome = Outcome.ABORT) -> None:
        """It is over, whatever it was; again is no error, and nothing new."""
        if not self._is_over:
            self._is_over = True
            self._meter.end(outcome)

    def drop(self) -> None:
        """It is none that is counted."""
        self._is_over = True

    @contextmanager
    def judging(self) -> Iterator[None]:
        """See what becomes of it where an error ends it."""
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except ApiError as error:
            self.end(_outcome(error.status))
            raise
        except InvalidRequest:
            self.end(Outcome.INVALID)
            raise
        except Exception:
            self.end(Outcome.ERROR)
            raise


def _outcome(status: int) -> Outcome:
    if status in (TOO_MANY, UNAVAILABLE):
        return Outcome.REFUSED
    return Outcome.ERROR if status >= FAILED else Outcome.INVALID
