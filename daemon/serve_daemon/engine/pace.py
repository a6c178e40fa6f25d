"""How many threads to compute with while others want the cores too. No clock is read here.

Threads that share a computation wait for each other, spinning, hundreds of times a step. Where one
of them has lost its core to another process, all wait: a step of two threads beside two busy
processes takes ten times as long as a step of one thread.
"""

WINDOW_SECONDS = 0.1  # of computing, before anything is concluded
CONTENDED_SHARE = 0.85  # of the time on a core; an undisturbed thread is nearly always on one
SHORTEST_PATIENCE_SECONDS = 0.5  # before more threads are tried again; doubles as it fails
LONGEST_PATIENCE_SECONDS = 16.0


class Pace:
    """Takes threads away when the computing thread doesn't get its core, and gives them back."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.threads = limit
        self._wall_seconds = self._busy_seconds = 0.0
        self._patience_seconds = SHORTEST_PATIENCE_SECONDS
        self._calm_seconds = 0.0  # since the last change

    def allow(self, limit: int) -> None:
        """Use up to `limit` threads from now on."""
        if limit != self._limit:
            self._limit = self.threads = limit
            self._calm_seconds = 0.0
            self._patience_seconds = SHORTEST_PATIENCE_SECONDS

    def add_step(self, wall_seconds: float, busy_seconds: float) -> None:
        """Take in a step that took `wall_seconds`, `busy_seconds` of them on a core."""
        self._wall_seconds += wall_seconds
        self._busy_seconds += busy_seconds
        if self._wall_seconds < WINDOW_SECONDS:
            return
        share = self._busy_seconds / self._wall_seconds
        self._calm_seconds += self._wall_seconds
        self._wall_seconds = self._busy_seconds = 0.0
        if self.threads > 1 and share < CONTENDED_SHARE:
            self._withdraw()
        elif self._calm_seconds >= self._patience_seconds:
            self._advance()

    def _withdraw(self) -> None:
        self.threads = max(1, self.threads * 3 // 4)
        self._calm_seconds = 0.0
        self._patience_seconds = min(self._patience_seconds * 2, LONGEST_PATIENCE_SECONDS)

    def _advance(self) -> None:
        if self.threads < self._limit:
            self.threads = min(self._limit, self.threads + max(1, self._limit // 4))
        else:
            self._patience_seconds = SHORTEST_PATIENCE_SECONDS
        self._calm_seconds = 0.0
