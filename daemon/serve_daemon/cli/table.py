"""Rows under headings, aligned, in whatever width there is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from serve_daemon.cli.terminal import UNLIMITED

GAP = 2  # between two columns
NOTHING = ("", "-")
LEAST_NAMES = 20  # columns are left out before names are cut to less


class Column(NamedTuple):
    """A heading; where there is no room, columns of the highest rank are left out first."""

    heading: str
    is_right: bool = True
    rank: int = 0


class Cell(NamedTuple):
    """A text and how it is shown."""

    text: str
    colour: str | None = None
    is_bold: bool = False
    is_dim: bool = False


Row = tuple[Cell, ...]


class Table:
    """The columns that fit, as wide as these rows need; names, in the first one, may be cut.

    Of those that may be left out, one with nothing in it is.
    """

    def __init__(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
    ) -> None:
        self._columns = columns
        self._widths = [
            max(len(column.heading), *(len(row[index].text) for row in rows))
            for index, column in enumerate(columns)
        ]
        names = min(self._widths[0], LEAST_NAMES)
        is_piped = width > UNLIMITED // 2  # then for programs, which want all columns always
        self._kept = [
            index
            for index, column in enumerate(columns)
            if is_piped or not column.rank or any(row[index].text not in NOTHING for row in rows)
        ]
        while names + self._beside_names() > width and (goes := self._first_to_go()):
            self._kept.remove(goes)
        self._widths[0] = max(min(self._widths[0], width - self._beside_names()), 1)

    def _beside_names(self) -> int:
        return sum(self._widths[index] + GAP for index in self._kept[1:])

    def _first_to_go(self) -> int | None:
        ranks = [(self._columns[index].rank, index) for index in self._kept]
        rank, index = max(ranks)
        return index if rank else None

    def head(self) -> str:
        return self.line([Cell(column.heading, is_bold=True) for column in self._columns])

    def line(self, row: Sequence[Cell]) -> str:
        """A row; what is too long for its column is cut."""
        cells = [self._cell(row[index], index) for index in self._kept]
        return (" " * GAP).join(cells).rstrip()

    def _cell(self, cell: Cell, index: int) -> str:
        width = self._widths[index]
        text = clipped(cell.text, width)
        # padded outside of the style: its codes would count as width
        blank = " " * (width - len(text))
        style = click.style(
            text, fg=cell.colour, bold=cell.is_bold or None, dim=cell.is_dim or None
        )
        shown = style if cell.colour or cell.is_bold or cell.is_dim else text
        return blank + shown if self._columns[index].is_right else shown + blank


def clipped(text: str, width: int) -> str:
    """The first line of a text, with a sign at its end if it was longer."""
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= width else f"{line[: max(width - 1, 0)]}…"


def wrapped(text: str, width: int, most: int) -> Iterator[str]:
    """A text in up to so many lines, the last of which is cut."""
    import textwrap

    whole = textwrap.wrap(text, width) or [""]
    yield from whole[: most - 1]
    if rest := whole[most - 1 :]:
        yield clipped(" ".join(rest), width)
