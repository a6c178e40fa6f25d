"""What stands on a terminal, as a picture."""

import io
import re

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# As a terminal's own colours, on a dark ground that is easy on the eyes beside a light page, too.
THEME = TerminalTheme(
    background=(24, 27, 33),
    foreground=(212, 216, 224),
    normal=[
        (60, 66, 78),
        (240, 113, 120),
        (126, 200, 128),
        (229, 192, 96),
        (97, 175, 239),
        (198, 140, 224),
        (86, 194, 204),
        (212, 216, 224),
    ],
)
FRAME_BEGIN, FRAME_END = "\x1b[H", "\x1b[J"
COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
FONTS = '"DejaVu Sans Mono", "Cascadia Mono", Menlo, Consolas, monospace'
STEERING = re.compile(r"\x1b\[(?:[0-9;]*[A-LN-Za-ln-z]|\?[0-9]+[hl])")  # all but colours


def last_frame(written: str) -> str:
    """The last whole frame of a program that draws a screen."""
    frame = written.rpartition(FRAME_END)[0].rpartition(FRAME_BEGIN)[2]
    return plain(frame)


def plain(written: str) -> str:
    """Lines with colours alone; a line that was written anew is as it was at last."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in written.split("\n")]
    return STEERING.sub("", "\n".join(lines))


def svg(shown: str, title: str, columns: int) -> str:
    """A window of so many columns, in which this stands. It needs nothing from anywhere."""
    console = Console(
        width=columns, record=True, file=io.StringIO(), force_terminal=True, legacy_windows=False
    )
    for line in shown.rstrip("\n").split("\n"):
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    console.print()  # else the ground of the last line cuts its letters off
    drawn = console.export_svg(title=title, theme=THEME, unique_id="servectl")
    drawn = FONT_FACE.sub("", COMMENT.sub("", drawn))
    return drawn.replace("Fira Code, monospace", FONTS).replace("Fira Code", "DejaVu Sans Mono")
