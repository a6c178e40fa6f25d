"""A time limit that is set and lifted again for every token."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls back when it passes; moving it costs no timer, as long as it moves later.

    It belongs to the loop in which it is made: to ask which one runs is a system call.

    The timer under it is left running and, where it goes off too early, set anew: once in so many
    moves.
    """

    def __init__(self, on_passed: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_passed = on_passed
        self._at = math.inf  # loop time
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Let it pass so long from now."""
        self._at = self._loop.time() + seconds
        if self._timer is not None and self._timer.when() > self._at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._arm()

    def lift(self) -> None:
        """Let it not pass at all, until it is set again."""
        self._at = math.inf

    def close(self) -> None:
        """Lift it for good, and let go of whom it would call."""
        self.lift()
        self._on_passed = _do_nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = self._loop.call_at(self._at, self._go_off)

    def _go_off(self) -> None:
        self._timer = None
        if self._at <= self._loop.time():
            self.lift()
            self._on_passed()
        elif self._at < math.inf:
            self._arm()


def _do_nothing() -> None:
    pass
