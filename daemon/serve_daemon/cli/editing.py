"""One key of a TOML text set or taken out; comments, order and all else stay as they are.

Each way of doing it proposes a text. The first proposal that means what is wanted, and nothing
else, is taken: that is decided by a parser, not by the proposal.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import tomli
import tomlkit
from tomlkit.exceptions import TOMLKitError

from serve_daemon.config.positions import positions
from serve_daemon.config.problems import KeyPath, dotted

Tree = dict[str, Any]
ABSENT = object()


def with_value(text: str, path: KeyPath, value: Any) -> str:
    """The text in which the key has this value, which is one of TOML or a dict of such."""
    wanted = tomli.loads(text)
    present = _get(wanted, path)
    if type(present) is type(value) and present == value:
        return text
    _put(wanted, path, value)
    return _first_that_means(wanted, _settings(text, path, value))


def without(text: str, path: KeyPath, default: Any = ABSENT) -> str:
    """The text in which the key, or table, is not set.

    Where comments describe the key, its default stays there as one. Raises `KeyError` where the
    text doesn't set it.
    """
    wanted = tomli.loads(text)
    if _get(wanted, path) is ABSENT:
        raise KeyError(dotted(path))
    _take(wanted, path)
    return _first_that_means(wanted, _removals(text, path, default))


def _settings(text: str, path: KeyPath, value: Any) -> Iterator[str]:
    """In place, where a comment shows it, below what the table has, in a table of its own."""
    is_there = _get(tomli.loads(text), path) is not ABSENT
    if not is_there and not isinstance(value, dict):
        line = f"{dotted(path[-1:])} = {_shown(value)}"
        yield from _uncommented(text, path, line)
        yield from _below_last_key(text, path[:-1], line)
    if not is_there:
        yield _in_a_new_table(text, path, value)
    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        table = table.setdefault(part, tomlkit.table(is_super_table=True))
    table[path[-1]] = value
    yield document.as_string()


def _uncommented(text: str, path: KeyPath, line: str) -> Iterator[str]:
    """A line such as `#max_requests = 32` becomes the key; what stands behind it stays."""
    shown = re.compile(rf"(?m)^([ \t]*)# ?{re.escape(dotted(path[-1:]))}[ \t]*=[^\r\n]*")
    for found in shown.finditer(text):
        yield f"{text[: found.start()]}{found[1]}{line}{text[found.end() :]}"


def _below_last_key(text: str, table: KeyPath, line: str) -> Iterator[str]:
    """On the first line below the last key of the table where that is possible."""
    known = positions(text)
    above = [known[table].key.line] if table in known else []
    above += [
        place.value.line
        for path, place in known.items()
        if len(path) == len(table) + 1 and path[:-1] == table
    ]
    lines = text.splitlines(keepends=True)
    for number in range(max(above), len(lines) + 1) if above else []:
        before = "".join(lines[:number])
        ending = "\r\n" if "\r\n" in text else "\n"
        gap = "" if before.endswith("\n") else ending
        indent = re.match(r"[ \t]*", lines[max(above) - 1])
        yield f"{before}{gap}{indent[0] if indent else ''}{line}{ending}{''.join(lines[number:])}"


def _in_a_new_table(text: str, path: KeyPath, value: Any) -> str:
    """At the end."""
    table, values = (path, value) if isinstance(value, dict) else (path[:-1], {path[-1]: value})
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = [f"[{dotted(table)}]"]
    lines += [f"{dotted((key,))} = {_shown(each)}" for key, each in values.items()]
    above = f"{text.rstrip()}{ending}{ending}" if text.strip() else ""
    return above + "".join(f"{line}{ending}" for line in lines)


def _removals(text: str, path: KeyPath, default: Any) -> Iterator[str]:
    document = tomlkit.parse(text)
    table: Any = document
    for part in path[:-1]:
        table = table[part]
    if default is not ABSENT:
        yield from _commented(text, path, default)
    del table[path[-1]]
    yield document.as_string()


def _commented(text: str, path: KeyPath, default: Any) -> Iterator[str]:
    """The key's line as a comment with its default, where the line above it is one, too."""
    at_default = with_value(text, path, default)
    lines = at_default.splitlines(keepends=True)
    number = positions(at_default)[path].key.line - 1
    if number and lines[number - 1].lstrip().startswith("#"):
        key = re.match(r"[ \t]*", lines[number])
        start = len(key[0]) if key else 0
        end = "\r\n" if lines[number].endswith("\r\n") else "\n"
        shown = f"#{dotted(path[-1:])} = {_shown(default)}{end}"
        lines[number] = lines[number][:start] + shown
        yield "".join(lines)


def _first_that_means(wanted: Tree, proposals: Iterable[str]) -> str:
    """Raises `ValueError` where none does, as for a key within what is no table."""
    try:
        for proposal in proposals:
            if _meaning(proposal) == _told(wanted):
                return proposal
    except (TOMLKitError, TypeError, KeyError) as error:
        raise ValueError(str(error)) from error
    raise ValueError("the file can't be edited there, change it by hand")


def _meaning(text: str) -> Tree | None:
    try:
        return _told(tomli.loads(text))
    except tomli.TOMLDecodeError:
        return None


def _told(tree: Tree) -> Tree:
    """An empty table such as [server] says nothing; one such as [models.NAME] does."""
    return {name: value for name, value in tree.items() if value != {}}


def _shown(value: Any) -> str:
    """A value as TOML."""
    shown: str = tomlkit.item(value).as_string()
    return shown


def _get(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = tree.get(part, ABSENT) if isinstance(tree, dict) else ABSENT
    return tree


def _put(tree: Tree, path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        within = tree.setdefault(str(part), {})
        if not isinstance(within, dict):
            raise ValueError(f"{part} is no table in the file")  # noqa: TRY004 - of the file
        tree = within
    tree[str(path[-1])] = value


def _take(tree: Tree, path: KeyPath) -> None:
    for part in path[:-1]:
        tree = tree[str(part)]
    del tree[str(path[-1])]
