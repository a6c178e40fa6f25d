"""The terminal a command writes to: how wide it is, which characters it has, and who reads it."""

import os
import shutil
import sys

# Where nobody's window has an end: a pipe, a file.
UNLIMITED = 1_000_000
NARROWEST = 40

# What our own signs are where there is ASCII alone, as systemd has them.
_ASCII = str.maketrans(
    {
        "●": "*",
        "○": "o",
        "\N{MULTIPLICATION SIGN}": "x",
        "↻": "O",
        "├": "|",
        "└": "`",
        "│": "|",
        "─": "-",
        "→": ">",
        "…": "~",
        "█": "#",
        "·": ".",
        # the heights of a sparkline
        "▁": "_",
        "▂": ".",
        "▃": ":",
        "▄": "-",
        "▅": "=",
        "▆": "+",
        "▇": "%",
    }
)


def width() -> int:
    """Columns of a terminal at stdout, else `UNLIMITED`."""
    if not sys.stdout.isatty():
        return UNLIMITED
    return max(shutil.get_terminal_size().columns, NARROWEST)


def readable(text: str) -> str:
    """The text with characters alone that stdout has."""
    if has_unicode():
        return text
    encoding = sys.stdout.encoding or "ascii"
    return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)


def has_unicode() -> bool:
    """Whether stdout takes UTF-8, and nobody has said `LC_ALL=C`.

    Python writes UTF-8 under that, too, which the terminal of who asked for it may not show.
    """
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return is_utf8 and named not in ("C", "POSIX")
