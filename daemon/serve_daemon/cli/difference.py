"""Two effective configurations compared, key by key."""

import json
from collections.abc import Iterator
from typing import Any

import click

from serve_daemon.config.problems import KeyPath, dotted

Tree = dict[str, Any]


def difference(before: Tree, after: Tree) -> Iterator[str]:
    """A line for each value that is not in the other one, in the order of the tables."""
    old, new = dict(_keys(before)), dict(_keys(after))
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            for sign, colour, values in (("-", "red", old), ("+", "green", new)):
                if path in values:
                    yield click.style(f"{sign} {dotted(path)} = {_shown(values[path])}", fg=colour)
    if old == new:
        yield "nothing differs"


def _keys(tree: Tree, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _keys(value, (*above, name))
        else:
            yield (*above, name), value


def _shown(value: Any) -> str:
    """As one would write it: JSON's texts, numbers and lists are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)
