"""Texts of TOML in which one key changes: what else they say stays, to the letter."""

import difflib
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.cli.editing import with_value, without
from serve_daemon.config.files import EMBEDDED_DEFAULT
from serve_daemon.config.problems import KeyPath

DEFAULT = EMBEDDED_DEFAULT.read_text()
MIXED = """\
# top
[engine]
python = "/x"  # mine

# [keys.N] is a key
[keys.a]
models = [
  "one",  # first
]
text = \"\"\"
[x]
\"\"\"

[z]
"""


def change(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        (("models", "smollm2", "max_requests"), 16, ["-#max_requests = 32", "+max_requests = 16"]),
        (
            ("server", "listen"),
            ["[::]:1"],
            ['-#listen = ["127.0.0.1:8000"]', '+listen = ["[::]:1"]'],
        ),
        (("models", "smollm2", "aliases"), [], ['-aliases = ["default"]', "+aliases = []"]),
        (("models", "a.b", "source"), "x/y", ["+", '+[models."a.b"]', '+source = "x/y"']),
        (("profiles", "p", "dtype"), "float32", ["+", "+[profiles.p]", '+dtype = "float32"']),
    ],
)
def test_the_installed_file(path: KeyPath, value: Any, changed: list[str]) -> None:
    """A key that is shown as a comment becomes one in its place; a table goes to the end."""
    assert change(DEFAULT, with_value(DEFAULT, path, value)) == changed


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        (("engine", "memory_limit"), 1, ["+memory_limit = 1"]),
        (("engine", "python"), "/y", ['-python = "/x"  # mine', '+python = "/y"  # mine']),
        (("keys", "a", "hash"), "h", ['+hash = "h"']),
        (("z", "k"), True, ["+k = true"]),
    ],
)
def test_a_new_key_stands_with_those_of_its_table(
    path: KeyPath, value: Any, changed: list[str]
) -> None:
    """Not below the comment that belongs to the next table, nor within a text or a list."""
    after = with_value(MIXED, path, value)
    assert change(MIXED, after) == changed
    lines = after.splitlines()
    if path == ("engine", "memory_limit"):
        assert lines[3] == "memory_limit = 1"


@pytest.mark.parametrize(
    "text",
    ['models = {a = {source = "x"}}\n', 'models.a.source = "x"\n', '[models]\na = {source="x"}\n'],
)
def test_other_ways_to_write_a_table(text: str) -> None:
    """As one may; what is wanted holds after it."""
    after = tomli.loads(with_value(text, ("models", "a", "preload"), False))
    assert after == {"models": {"a": {"source": "x", "preload": False}}}
    assert tomli.loads(without(text, ("models", "a"))).get("models", {}) == {}


def test_windows_lines_stay() -> None:
    """No line ends otherwise than before."""
    text = "[log]\r\nlevel = 'info'\r\n"
    after = with_value(with_value(text, ("log", "format"), "json"), ("server", "workers"), 2)
    assert after.count("\n") == after.count("\r\n") == 6


def test_a_default_that_was_shown_is_shown_again() -> None:
    """Set and unset leave the file as it was; what no comment describes just goes."""
    path = ("models", "smollm2", "max_requests")
    assert without(with_value(DEFAULT, path, 16), path, 32) == DEFAULT
    assert change(MIXED, without(MIXED, ("keys", "a", "models"), [])) == [
        "-models = [",
        '-  "one",  # first',
        "-]",
    ]


def test_a_table_goes_as_a_whole() -> None:
    """With what it holds, and nothing of the next one."""
    after = without(MIXED, ("keys", "a"))
    assert tomli.loads(after).get("keys", {}) == {}
    assert after.startswith(MIXED[: MIXED.index("[keys.a]")])
    assert after.endswith("[z]\n")
    with pytest.raises(KeyError):
        without(MIXED, ("keys", "b"))


def test_a_key_within_a_value_is_refused() -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no table"):
        with_value("[log]\nlevel = 'info'\n", ("log", "level", "x"), 1)


VALUES = st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.lists(st.text(max_size=4)))
NAMES = st.text(min_size=1, max_size=6)


@given(name=NAMES, key=NAMES, value=VALUES)
def test_any_name_and_value(name: str, key: str, value: Any) -> None:
    """Means that the key has the value, and that all else is as before."""
    before = tomli.loads(MIXED)
    after = tomli.loads(with_value(MIXED, ("models", name, key), value))
    assert after == before | {"models": {name: {key: value}}}
