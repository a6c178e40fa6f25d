"""How soon it is worth while to come again to a full queue. Pure."""

import math

SMOOTHING = 0.2  # the weight of the newest
MIN_SECONDS, MAX_SECONDS = 1, 60  # clients of OpenAI wait no longer than a minute


class Turnover:
    """How fast those that wait are called, of late."""

    def __init__(self) -> None:
        self._seconds_each = 0.0
        self._since: float | None = None  # the last call, or when the first began to wait

    def note(self, called: int, waiting: int, now: float) -> None:
        """So many were called, and so many wait on."""
        if called and self._since is not None:
            each = (now - self._since) / called
            self._seconds_each += (each - self._seconds_each) * SMOOTHING
        if not waiting:
            self._since = None
        elif called or self._since is None:
            self._since = now

    def retry_after_seconds(self, waiting: int) -> int:
        """When half of those that wait will have been called.

        Later, the queue may be empty before somebody comes again.
        """
        return max(MIN_SECONDS, min(math.ceil(self._seconds_each * waiting / 2), MAX_SECONDS))
