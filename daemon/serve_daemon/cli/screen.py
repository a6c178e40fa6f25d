"""A terminal as a screen: drawn as a whole, read key by key, and given back as it was."""

import contextlib
import os
import re
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, Self

import click

from serve_daemon.cli.terminal import readable

# The screen beside the scrollback, and no cursor; and back.
ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
# All of a frame at once, where a terminal knows this; from the top, each line to its end.
BEGIN, END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"
END_OF_LINE = "\x1b[K\n"

_KEY = re.compile(rb"\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Za-z]|\x1b|[^\x1b]")
_NAMES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"j": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b": "q",
    b" ": "p",
}
_LEAVING = (signal.SIGTERM, signal.SIGHUP)
READ_BYTES = 256


class Screen:
    """Has the terminal from `with` on, until that is left: by an end, an error or a signal."""

    def __init__(self) -> None:
        self._keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._mode: list[Any] | None = None
        self._woken, self._waker = os.pipe()
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _LEAVING:
            self._former[number] = signal.signal(number, _leave)
        self._former[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, self._wake)
        self._former[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            self._give_back()
        for number, handler in self._former.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._waker)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        size = shutil.get_terminal_size()
        return size.columns, size.lines

    def draw(self, lines: Iterable[str]) -> None:
        """Show these lines, and nothing else. No line may be wider than the screen."""
        is_plain = bool(os.environ.get("NO_COLOR"))  # click knows of no screen
        styled = (click.unstyle(line) if is_plain else line for line in lines)
        shown = END_OF_LINE.join(map(readable, styled))
        _write(f"{BEGIN}{shown}\x1b[K{END}")

    def keys(self, seconds: float) -> Iterator[str]:
        """Those pressed within so many seconds, as soon as there is one; none on a new size."""
        waited_for = [self._woken] if self._keys is None else [self._woken, self._keys]
        readable_now = select.select(waited_for, [], [], max(seconds, 0.0))[0]
        if self._woken in readable_now:
            os.read(self._woken, READ_BYTES)
        if self._keys in readable_now:
            pressed = os.read(self._keys, READ_BYTES) if self._keys is not None else b""
            if not pressed:  # nobody is there any more
                self._keys = None
            for key in _KEY.findall(pressed):
                yield _NAMES.get(key, key.decode(errors="replace"))

    def _take(self) -> None:
        if self._keys is not None:
            self._mode = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)  # keys at once; Ctrl-C and Ctrl-Z are signals still
        _write(ENTER)

    def _give_back(self) -> None:
        if self._keys is not None and self._mode is not None:
            termios.tcsetattr(self._keys, termios.TCSADRAIN, self._mode)
        _write(LEAVE)

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        os.write(self._waker, b"w")

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """As Ctrl-Z does it, but the shell gets its terminal as it was."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self._wake(number, frame)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
