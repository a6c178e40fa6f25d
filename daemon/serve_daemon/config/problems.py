"""What is wrong with a configuration, where, and what to do about it."""

import re
from collections.abc import Iterable
from unicodedata import east_asian_width

from msgspec import Struct

KeyPath = tuple[str | int, ...]  # of a key: ("models", "smollm2", "dtype"); an int is a list's item

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """The path as one would write it in the file; items of a list go by the list's name."""
    return ".".join(_quoted(part) for part in path if isinstance(part, str))


def _quoted(part: str) -> str:
    if _BARE_KEY.fullmatch(part):
        return part
    return '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    `file` is a file's path or, with line 0, another place that sets keys: an environment variable
    or a --set option. Lines and columns count from 1.
    """

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    message: str  # what, and what to do
    text: str = ""  # the whole source line

    def render(self) -> str:
        """The problem as a person reads it, with the source line and a caret where there is one."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        headline = ": ".join(part for part in (place, self.key, self.message) if part)
        if not self.line or not self.text.strip():
            return headline
        return f"{headline}\n    {self.text}\n    {self._indent()}^"

    def __str__(self) -> str:
        return self.render()

    def _indent(self) -> str:
        return "".join(_blank(character) for character in self.text[: self.column - 1])


def _blank(character: str) -> str:
    if character == "\t":
        return "\t"
    return "  " if east_asian_width(character) in "WF" else " "


class ConfigError(Exception):
    """A configuration that can't be used, with everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))
