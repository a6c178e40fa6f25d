"""Answers that go on while there is nothing to be told of them."""

import time
from collections.abc import Sequence

from serve_daemon.gateway.common.pieces import Piece

LONGEST_SECONDS = 1.0  # then the client hears at least that there will be more


class Silence:
    """Of one answer; tokens may come of which no piece is whole yet."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def is_over(self, pieces: Sequence[Piece]) -> bool:
        """Whether these pieces are to be told; of none, one a second."""
        now = time.monotonic()
        if not pieces and now - self._since < LONGEST_SECONDS:
            return False
        self._since = now
        return True
