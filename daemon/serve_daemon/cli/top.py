"""The command `servectl top`: what models do, as it changes."""

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from serve_daemon.cli import terminal
from serve_daemon.cli.arguments import json_option, show
from serve_daemon.cli.board import ORDERS, Board
from serve_daemon.cli.connection import connected
from serve_daemon.cli.table import clipped
from serve_daemon.control.client import Client, Unreachable

if TYPE_CHECKING:
    from serve_daemon.cli.screen import Screen

HEAD_LINES = 4  # with the empty one
FOOT_LINES = 2


@click.command()
@click.option(
    "--sort",
    "order",
    type=click.Choice(ORDERS),
    default=ORDERS[0],
    show_default=True,
    help="What comes first.",
)
@click.option(
    "-d",
    "--delay",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=1.0,
    show_default=True,
    help="Between two looks.",
)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    help="End after so many looks. Default: on a terminal never, elsewhere after one.",
)
@click.option("--once", is_flag=True, help="Print one look, as it would do in a pipe.")
@json_option
def top(order: str, *, delay: float, count: int | None, once: bool, as_json: bool) -> None:
    """Show what models do as it changes: tokens a second, requests, processors, memory.

    Keys: s sorts by something else, p pauses, arrows scroll, q ends.
    """
    is_live = sys.stdout.isatty() and not (once or as_json)
    board = Board(order, has_trends=is_live)
    with connected() as client:
        if not is_live:
            _print(board, client, as_json=as_json, count=1 if once else count or 1, delay=delay)
        else:
            board.take(client.call("Status"))  # who finds no daemon is told on the plain terminal
            from serve_daemon.cli.screen import Screen

            with Screen() as screen:
                Live(board, client, screen).run(delay, count)


def _print(board: Board, client: Client, *, as_json: bool, count: int, delay: float) -> None:
    """One look after the other."""
    width = terminal.width()
    for number in range(count):
        if number:
            time.sleep(delay)
        board.take(client.call("Status"))
        if as_json:
            click.echo(json.dumps({"time": board.at, **board.document}))
        else:
            head = board.head(min(width, 100))
            show([*([""] if number else []), *head, "", *board.rows(width)])
        sys.stdout.flush()


class Live:
    """A board on a screen."""

    def __init__(self, board: Board, client: Client, screen: "Screen") -> None:
        self._board = board
        self._client = client
        self._screen = screen
        self._first_row = 0
        self._is_paused = False

    def run(self, delay: float, count: int | None) -> None:
        """Until somebody has seen enough, or for so many looks."""
        seen, due = 1, time.monotonic() + delay
        while True:
            self._screen.draw(self._lines(*self._screen.size))
            for key in self._screen.keys(due - time.monotonic()):
                if key in ("q", "Q"):
                    return
                self._press(key)
            if time.monotonic() >= due:
                if count is not None and seen >= count:
                    return
                seen, due = seen + 1, time.monotonic() + delay
                self._look()

    def _look(self) -> None:
        """Take the newest state; a daemon may be away for a while, as while it restarts."""
        try:
            document = self._client.call("Status")
        except Unreachable:
            self._board.trouble = "the daemon does not answer, waiting for it"
            return
        if not self._is_paused:
            self._board.take(document)
        self._board.trouble = ""

    def _press(self, key: str) -> None:
        page = max(self._screen.size[1] - HEAD_LINES - FOOT_LINES - 1, 1)
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page}
        self._first_row = max(self._first_row + steps.get(key, 0), 0)
        if key == "s":
            self._board.turn_order()
        elif key == "p":
            self._is_paused = not self._is_paused

    def _lines(self, width: int, height: int) -> Iterator[str]:
        """As many as the screen has."""
        heading, *rows = self._board.rows(width)
        room = max(height - HEAD_LINES - FOOT_LINES - 1, 1)
        self._first_row = min(self._first_row, max(len(rows) - room, 0))
        shown = rows[self._first_row : self._first_row + room]
        lines = [*self._board.head(width), "", heading, *shown]
        lines += [""] * (height - 1 - len(lines))
        return iter([*lines[: height - 1], self._foot(width, len(rows) - len(shown))])

    def _foot(self, width: int, hidden: int) -> str:
        if self._board.trouble:
            return click.style(clipped(self._board.trouble, width), fg="red")
        parts = [
            "q quit",
            f"s sort: {self._board.order}",
            "p go on (paused)" if self._is_paused else "p pause",
            f"↑↓ {hidden} more" if hidden else "",
        ]
        return click.style(clipped("   ".join(filter(None, parts)), width), dim=True)


COMMANDS = (top,)
