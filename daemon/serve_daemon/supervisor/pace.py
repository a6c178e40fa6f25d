"""How fast something that is counted grows. Pure."""

from collections import deque

WINDOW_SECONDS = 5.0


class Pace:
    """Of a count that is told about once a second."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, int]] = deque()

    def note(self, now: float, count: int) -> None:
        """The count so far, at `now` seconds of any clock that does not go back."""
        self._noted.append((now, count))
        self._forget(now)

    def per_second(self, now: float) -> float:
        """Over the last few seconds; 0 where nothing was told meanwhile."""
        self._forget(now)
        if len(self._noted) < 2:  # noqa: PLR2004 - a pace is between two
            return 0.0
        (since, first), (until, last) = self._noted[0], self._noted[-1]
        return (last - first) / (until - since) if until > since else 0.0

    def _forget(self, now: float) -> None:
        while self._noted and self._noted[0][0] < now - WINDOW_SECONDS:
            self._noted.popleft()
