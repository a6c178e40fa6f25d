"""When a process that crashed is started again, and when it is given up. Pure."""

from collections import deque

from msgspec import Struct


class RestartPolicy(Struct, frozen=True):
    delay_seconds: float = 0.5
    delay_max_seconds: float = 30.0
    limit: int | None = 5  # crashes within the interval; None: never give up
    interval_seconds: float = 300.0


class Crashes:
    """The crashes of one unit that still count."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self.total = 0

    def add(self, now: float) -> None:
        self._times.append(now)
        self.total += 1

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
