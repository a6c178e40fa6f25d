"""How far something is: a bar on a terminal, a line now and then elsewhere. On stderr."""

import shutil
import sys
import time

import click

from serve_daemon.cli.status import size, timespan

BAR_CELLS = 24
PLAIN_SECONDS = 5.0  # between two lines where nobody watches
TERMINAL_SECONDS = 0.1
CLEAR_LINE = "\r\x1b[K"


class Bar:
    """Tells on one line, which goes when it is done."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._is_terminal = sys.stderr.isatty()
        self._began = self._told_at = time.monotonic()
        self._first: int | None = None
        self._is_shown = False
        self._last = ""

    def tell(self, done: int, total: int, what: str = "") -> None:
        """Bytes, or nothing where both are 0; `what` is being done."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._told_at = done, -PLAIN_SECONDS
        pause = TERMINAL_SECONDS if self._is_terminal else PLAIN_SECONDS
        if now - self._told_at < pause:
            return
        self._told_at = now
        line = " ".join(part for part in (self._label, what, self._figures(done, total)) if part)
        if self._is_terminal:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"{CLEAR_LINE}{line[:width]}", err=True, nl=False)
            self._is_shown = True
        elif line != self._last:
            self._last = line
            click.echo(line, err=True)

    def end(self) -> None:
        """Give the line back."""
        if self._is_shown:
            click.echo(CLEAR_LINE, err=True, nl=False)
            self._is_shown = False

    def _figures(self, done: int, total: int) -> str:
        if not total:
            return ""
        share = min(done / total, 1.0)
        cells = int(share * BAR_CELLS)
        bar = f"[{'#' * cells}{' ' * (BAR_CELLS - cells)}] " if self._is_terminal else ""
        seconds = max(time.monotonic() - self._began, 0.001)
        pace = max(done - (self._first or 0), 0) / seconds
        rest = f", {timespan((total - done) / pace)} left" if pace and done < total else ""
        speed = f", {size(pace)}/s{rest}" if pace else ""
        return f"{bar}{share:4.0%} of {size(total)}{speed}"
