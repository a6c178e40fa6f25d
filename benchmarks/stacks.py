"""Where a thread is in Python, seen from another one again and again: what no profiler tells."""

import collections
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import psutil

PERIOD_SECONDS = 0.002


class Stacks:
    """How often each thread was seen in each function, the innermost that is Python's."""

    def __init__(self) -> None:
        self._seen: dict[int, collections.Counter[str]] = {}
        self._over = threading.Event()
        self._used: dict[int, float] = {}

    def busiest(self) -> list[tuple[str, float]]:
        """The functions of the thread that computed most, with their shares of its time."""
        threads = {each.ident: each.native_id for each in threading.enumerate()}
        seen = {ident: each for ident, each in self._seen.items() if ident in threads}
        if not seen:
            return []
        ident = max(seen, key=lambda each: self._used.get(threads[each] or 0, 0.0))
        total = seen[ident].total()
        return [(name, count / total) for name, count in seen[ident].most_common()]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all threads but this one and the watcher, until the block ends."""
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True)
        before = _used_seconds()
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()
        self._used = {
            thread: used - before.get(thread, 0.0) for thread, used in _used_seconds().items()
        }

    def _watch(self, asking: int) -> None:
        left_out = {asking, threading.get_ident()}
        while not self._over.wait(PERIOD_SECONDS):
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented
                if ident not in left_out:
                    self._seen.setdefault(ident, collections.Counter())[_name(frame)] += 1


def merged(found: Sequence[tuple[str, float]], largest: int) -> list[tuple[str, float]]:
    """The largest shares, and the rest as one."""
    rest = sum(share for _, share in found[largest:])
    return [*found[:largest], *([("others", rest)] if rest else [])]


def _name(frame: FrameType) -> str:
    """As `module:function`, of a name that says where the code is."""
    module = frame.f_globals.get("__name__", "?")
    return f"{module}:{frame.f_code.co_name}"


def _used_seconds() -> dict[int, float]:
    return {each.id: each.user_time + each.system_time for each in psutil.Process().threads()}
