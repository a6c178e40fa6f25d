"""When a process that crashed is started again, and when it is given up."""

import asyncio
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from serve_daemon.supervisor.instance import Clock


class RestartPolicy(Struct, frozen=True):
    delay_seconds: float = 0.5
    delay_max_seconds: float = 30.0
    limit: int | None = 5  # crashes within the interval; None: never give up
    interval_seconds: float = 300.0


class Crashes:
    """The crashes of one unit that still count."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        self._times.append(now)

    def forget(self) -> None:
        """Begin anew: somebody has mended something."""
        self._times.clear()

    def delay(self, policy: RestartPolicy, now: float) -> float | None:
        """Seconds to wait before the next start; None where there is to be none."""
        while self._times and self._times[0] < now - policy.interval_seconds:
            self._times.popleft()
        if policy.limit is not None and len(self._times) >= policy.limit:
            return None
        doublings = min(max(len(self._times) - 1, 0), 32)
        return min(policy.delay_seconds * 2.0**doublings, policy.delay_max_seconds)


class Retry:
    """A start that waits for its time."""

    def __init__(self, clock: Clock, action: Callable[[], object]) -> None:
        self.at: float | None = None  # the clock's time of it
        self.total = 0  # of those that came after a crash, this one included
        self._clock = clock
        self._action = action
        self._timer: asyncio.TimerHandle | None = None

    def plan(self, delay_seconds: float) -> None:
        self.at = self._clock.time() + delay_seconds
        self.total += 1
        self._timer = self._clock.call_later(delay_seconds, self._action)

    def cancel(self) -> None:
        self.at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
