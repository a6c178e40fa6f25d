"""The manual pages as texts: their sections, and the examples in them."""

import re
import shlex
from collections.abc import Iterator
from enum import StrEnum, auto
from pathlib import Path

import source

FOLDER = source.ROOT / "man"
PAGES = sorted(path.name.removesuffix(".scd") for path in FOLDER.glob("*.scd"))


class Kind(StrEnum):
    """What an indented part of a page shows."""

    TOML = auto()
    SHELL = auto()
    UNIT = auto()  # lines of a unit of systemd
    YAML = auto()  # for Prometheus
    FIGURE = auto()


_BEGINNINGS = [
    (Kind.TOML, re.compile(r"\[\w")),
    (Kind.UNIT, re.compile(r"[A-Z]\w+=")),
    (Kind.YAML, re.compile(r"\w+:\n")),
    (Kind.FIGURE, re.compile(r".*-->")),
]
_ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)


def path_of(page: str) -> Path:
    return FOLDER / f"{page}.scd"


def text_of(page: str) -> str:
    return path_of(page).read_text("utf-8")


def sections(page: str) -> dict[str, str]:
    """What stands below each heading."""
    return dict(re.findall(r"(?ms)^# (.+?)\n(.*?)(?=^# |\Z)", text_of(page)))


def terms(text: str) -> Iterator[list[str]]:
    """What is explained in a section, each with its other names: `*-h*, *--help*`."""
    for line in re.findall(r"(?m)^([*_].*)\n\t", text):
        yield re.findall(r"\*(.+?)\*", line.replace("\\", ""))


def examples(page: str) -> list[tuple[Kind, str]]:
    """Everything that stands there to be copied."""
    blocks = re.findall(r"(?ms)^```\n(.*?)^```", text_of(page))
    return [(_kind(block), block) for block in blocks]


def _kind(block: str) -> Kind:
    found = (kind for kind, beginning in _BEGINNINGS if beginning.match(block))
    return next(found, Kind.SHELL)


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command of a shell example, without what is assigned before it."""
    without_comments = re.sub(r"(?m)\s+#.*$", "", block)
    lexer = shlex.shlex(without_comments, posix=True, punctuation_chars=";&|\n")
    lexer.whitespace, lexer.whitespace_split = " \t", True
    words: list[str] = []
    for word in lexer:
        if not set(word) <= set(";&|\n"):
            if words or not _ASSIGNMENT.fullmatch(word):
                words.append(word)
        elif words:
            yield words
            words = []
    if words:
        yield words
