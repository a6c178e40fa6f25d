"""Where a text ends because it says a stop string."""

from collections.abc import Sequence


class StopStrings:
    """Passes text on, but never any part of the stop string that ends it.

    The stop string that is complete first wins, however the text is cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.stopped_by: str | None = None  # the stop string that ended the text

    @property
    def is_stopped(self) -> bool:
        return self.stopped_by is not None

    def feed(self, text: str) -> str:
        """The part of the text so far that is safe to pass on."""
        if not self._stops:
            return text
        self._held += text
        self.stopped_by = self._first_stop()
        if self.stopped_by is None:
            start = len(self._held) - self._length_to_hold()
            safe, self._held = self._held[:start], self._held[start:]
        else:
            safe, self._held = self._held[: self._held.find(self.stopped_by)], ""
        return safe

    def flush(self) -> str:
        """What was held back of a text that has ended otherwise."""
        held, self._held = self._held, ""
        return held

    def _first_stop(self) -> str | None:
        """The stop string that ends first; of several, the longest."""
        found = [
            (start + len(stop), start, stop)
            for stop in self._stops
            if (start := self._held.find(stop)) >= 0
        ]
        return min(found)[2] if found else None

    def _length_to_hold(self) -> int:
        """How much of the end might be the beginning of a stop string."""
        longest = min(len(self._held), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0
