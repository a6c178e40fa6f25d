"""Where keys and values stand."""

from typing import Any

import tomli
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from serve_daemon.config.positions import Position, Positions, Spot, definitions, positions
from serve_daemon.config.problems import KeyPath

TEXT = """\
# comment
[models."Qwen/x"]
dtype = "auto"  # comment
"quo ted".c = {d = 1, 'e'.f = [1,
  # comment
  {g = 2}]}

[[list]]
[[list]]
x = "日本"
"""


def _where(found: Positions, *path: str | int) -> tuple[tuple[int, int], tuple[int, int]]:
    position = found[path]
    return _pair(position.key), _pair(position.value)


def _pair(spot: Spot) -> tuple[int, int]:
    return spot.line, spot.column


def test_every_way_to_write_a_key_is_found() -> None:
    """Headers, quoted and dotted keys, inline tables, lists over lines, lists of tables."""
    found = positions(TEXT)
    assert _where(found, "models") == ((2, 2), (2, 2))
    assert _where(found, "models", "Qwen/x") == ((2, 9), (2, 9))
    assert _where(found, "models", "Qwen/x", "dtype") == ((3, 1), (3, 9))
    table: KeyPath = ("models", "Qwen/x", "quo ted", "c")
    assert _where(found, *table[:-1]) == ((4, 1), (4, 15))
    assert _where(found, *table) == ((4, 11), (4, 15))
    assert _where(found, *table, "d") == ((4, 16), (4, 20))
    assert _where(found, *table, "e", "f") == ((4, 27), (4, 31))
    assert _where(found, *table, "e", "f", 0) == ((4, 32), (4, 32))
    assert _where(found, *table, "e", "f", 1, "g") == ((6, 4), (6, 8))
    assert _where(found, "list", 1, "x") == ((10, 1), (10, 5))


def test_columns_count_characters() -> None:
    """What an editor calls a column, whatever the characters take in bytes."""
    assert positions('"日本" = {a = "é", b = 1}')["日本", "b"] == Position(Spot(1, 18), Spot(1, 22))


def test_definitions_tell_of_a_key_each_time_it_is_defined() -> None:
    """So that a key that is set twice can be shown at both places."""
    lines = [spots.key.line for path, spots in definitions("a = 1\na = 2\n") if path == ("a",)]
    assert lines == [1, 2]


def test_what_the_grammar_can_not_read_has_no_position() -> None:
    """The grammar knows TOML 1.0, tomli 1.1: rather no position than that of something else."""
    text = '[log]\n[control]\nsocket = "\\e"\nwatch = true\n'
    assert tomli.loads(text)["control"] == {"socket": "\x1b", "watch": True}
    found = positions(text)
    assert found["control",].key == Spot(2, 2)
    assert ("control", "socket") not in found
    assert positions('log.level = "\\e"\nlog.format = 1') == {}


_keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
_values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=12,
)
_trees = st.dictionaries(_keys, _values, max_size=4)


def _paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    match value:
        case dict():
            children = [p for key, item in value.items() for p in _paths(item, (*path, key))]
        case list():
            children = [p for i, item in enumerate(value) for p in _paths(item, (*path, i))]
        case _:
            children = []
    return [path, *children]


@given(_trees)
def test_a_position_points_at_its_key(tree: dict[str, Any]) -> None:
    """For every key of any document, the text at its position begins with that key."""
    text = tomli_w.dumps(tree)
    found = positions(text)
    lines = text.split("\n")
    for path in _paths(tree)[1:]:
        spot = found[path].key
        rest = lines[spot.line - 1][spot.column - 1 :]
        if isinstance(path[-1], str):
            assert _first_key(rest) == path[-1]


def _first_key(text: str) -> str:
    """The key at the beginning of `text`, as tomli reads it."""
    for end in range(1, len(text) + 1):
        try:
            (key,) = tomli.loads(f"{text[:end]} = 0")
        except (tomli.TOMLDecodeError, ValueError):
            continue
        if end == len(text) or text[end] in " .]=":
            return key
    raise AssertionError(f"no key at the beginning of {text!r}")


@given(st.text())
def test_no_text_breaks_the_walk(text: str) -> None:
    """Whatever is in a file, the walk ends, and its lines and columns count from 1."""
    for position in positions(text).values():
        assert min(*_pair(position.key), *_pair(position.value)) >= 1
