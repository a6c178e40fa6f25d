"""A program on a terminal that a test holds the other end of."""

import codecs
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVECTL = str(Path(sys.executable).with_name("servectl"))
PATIENCE_SECONDS = 60.0
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """What a program has written to it, and the keys that it gets."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int, theirs: int) -> None:
        self.process = process
        self._ours, self._theirs = ours, theirs
        self._mode = termios.tcgetattr(theirs)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.written = ""

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str, after: int = 0) -> str:
        """Wait until it has written this, behind so many characters; all that is behind those."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.written[after:]:
            if not self._ready(end):
                raise TimeoutError(f"no {text!r} in {self.written[after:]!r}")
            self._read()
        return self.written[after:]

    def until_idle(self) -> None:
        """Wait until it sleeps: a signal between prompt and reading is seen by no editor."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "S":
            os.sched_yield()

    def exit_status(self) -> int:
        """Once it has ended; what it has written until then is all there."""
        ended = os.pidfd_open(self.process.pid)
        end = time.monotonic() + PATIENCE_SECONDS
        try:  # it can't end while there is no room for what it writes
            while ended not in (ready := self._ready(end, ended)) and ready:
                self._read()
        finally:
            os.close(ended)
        while self._ready(0):
            self._read()
        return self.process.wait(PATIENCE_SECONDS if ready else 0)

    def is_as_before(self) -> bool:
        """Whether keys come as they did, and the screen is left if it was entered."""
        is_left = self.written.count(ENTERED) == self.written.count(LEFT)
        is_left = is_left and self.written.rfind(LEFT) >= self.written.rfind(ENTERED)
        return is_left and termios.tcgetattr(self._theirs) == self._mode

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def _ready(self, end: float, *others: int) -> list[int]:
        return select.select([self._ours, *others], [], [], max(end - time.monotonic(), 0))[0]

    def _read(self) -> None:
        self.written += self._decode(os.read(self._ours, 65536))


@contextmanager
def on_terminal(
    *arguments: str, columns: int = 100, lines: int = 30, **environment: str
) -> Iterator[Terminal]:
    """servectl, with a session and a terminal of its own."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    hidden = ("COLUMNS", "LINES", "NO_COLOR", "LC_ALL", "PAGER")
    kept = {name: text for name, text in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        ["setsid", "--ctty", SERVECTL, *arguments],  # so that Ctrl-C is a signal
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=kept | {"TERM": "xterm-256color"} | environment,
    )
    try:
        yield Terminal(process, ours, theirs)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
