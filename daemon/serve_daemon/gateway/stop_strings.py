"""Where a text ends because it says a stop string."""

from collections.abc import Sequence


class StopStrings:
    """Passes text on, but never any part of the stop string that ends it.

    The stop string that is complete first wins, however the text is cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.is_stopped = False

    def feed(self, text: str) -> str:
        """The part of the text so far that is safe to pass on."""
        if not self._stops:
            return text
        self._held += text
        start = self._start_of_stop()
        if start is not None:
            self.is_stopped = True
        else:
            start = len(self._held) - self._length_to_hold()
        safe, self._held = self._held[:start], self._held[start:]
        if self.is_stopped:
            self._held = ""
        return safe

    def flush(self) -> str:
        """What was held back of a text that has ended otherwise."""
        held, self._held = self._held, ""
        return held

    def _start_of_stop(self) -> int | None:
        """Where the stop string begins that ends first; of several, the longest."""
        found = [
            (start + len(stop), start)
            for stop in self._stops
            if (start := self._held.find(stop)) >= 0
        ]
        return min(found)[1] if found else None

    def _length_to_hold(self) -> int:
        """How much of the end might be the beginning of a stop string."""
        longest = min(len(self._held), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0
