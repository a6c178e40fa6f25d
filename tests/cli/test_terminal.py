"""What a command finds out of the terminal that it writes to."""

import io
import os
import sys

import pytest

from serve_daemon.cli import terminal

LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")


@pytest.mark.parametrize(
    ("encoding", "locale", "shown"),
    [
        ("utf-8", {"LANG": "de_DE.UTF-8"}, "● ├─ müde →"),
        ("utf-8", {}, "● ├─ müde →"),
        ("utf-8", {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "* |- m?de >"),
        ("ascii", {"LANG": "en_US"}, "* |- m?de >"),
        ("iso-8859-1", {"LANG": "de_DE"}, "* |- müde >"),
    ],
)
def test_signs_are_those_that_the_terminal_has(
    encoding: str, locale: dict[str, str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree is a tree without UTF-8, and no character ends a command."""
    for name in LOCALE:
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    told = terminal.readable("● ├─ müde →")
    expected = shown if encoding != "utf-8" else shown.replace("m?de", "müde")
    assert told == expected


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads a pipe gets everything."""
    ours, theirs = os.openpty()
    monkeypatch.setenv("COLUMNS", "93")
    with os.fdopen(theirs, "w") as shown, os.fdopen(ours, "rb"):
        monkeypatch.setattr(sys, "stdout", shown)
        assert terminal.width() == 93
        monkeypatch.setenv("COLUMNS", "3")
        assert terminal.width() == terminal.NARROWEST
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal.width() == terminal.UNLIMITED
