"""servectl on a terminal over a daemon, until what is to be in the picture stands there."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli.pseudo_terminal import Terminal, on_terminal
from terminal.picture import last_frame, plain, svg

COLUMNS = 104
PROMPT = "\x1b[32m$\x1b[0m "


class Shots:
    """Pictures in a directory, of commands to the daemon on this control socket."""

    def __init__(self, into: Path, socket: Path, shown_as: Mapping[str, str] | None = None) -> None:
        self._into = into
        self._socket = socket
        self._shown_as = shown_as or {}  # what belongs to this machine alone, as elsewhere

    def of_command(self, name: str, *arguments: str) -> Path:
        """What it writes until it ends."""
        with self._running(*arguments) as terminal:
            terminal.exit_status()
            shown = plain(terminal.written)
        return self._write(name, arguments, shown)

    def of_screen(
        self, name: str, lines: int, until: Callable[[Terminal], None], *arguments: str
    ) -> Path:
        """What it has drawn when `until` returns."""
        with self._running(*arguments, lines=lines) as terminal:
            until(terminal)
            terminal.type("q")
            terminal.exit_status()
            shown = last_frame(terminal.written)
        return self._write(name, arguments, shown)

    @contextmanager
    def _running(self, *arguments: str, lines: int = 40) -> Iterator[Terminal]:
        socket = ["--socket", str(self._socket)]
        with on_terminal(*socket, *arguments, columns=COLUMNS, lines=lines) as terminal:
            yield terminal

    def _write(self, name: str, arguments: tuple[str, ...], shown: str) -> Path:
        for ours, usual in self._shown_as.items():
            shown = shown.replace(ours, usual)
        command = f"{PROMPT}servectl {' '.join(arguments)}\n"
        file = self._into / f"servectl-{name}.svg"
        file.write_text(svg(command + shown, "servectl", COLUMNS))
        return file
