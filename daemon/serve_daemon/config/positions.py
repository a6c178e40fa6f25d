"""Where each key and value of a TOML text stands."""

from collections.abc import Iterator
from functools import cache

import tomli
import tree_sitter_toml
from msgspec import Struct
from tree_sitter import Language, Node, Parser

from serve_daemon.config.problems import KeyPath


class Spot(Struct, frozen=True):
    """A character of a text; line and column count from 1."""

    line: int
    column: int


class Position(Struct, frozen=True):
    """Where a key stands, and where its value begins; a table's header is both."""

    key: Spot
    value: Spot


Positions = dict[KeyPath, Position]


def positions(text: str) -> Positions:
    """The position of every table, key and item of a list; the first one where there are two."""
    found: Positions = {}
    for path, position in definitions(text):
        found.setdefault(path, position)
    return found


def definitions(text: str) -> Iterator[tuple[KeyPath, Position]]:
    """Every definition in the order of the text, the tables that a dotted key implies included."""
    # A lone surrogate, which only a caller's text can hold, keeps its width as a question mark.
    document = text.encode(errors="replace")
    return _Walk(document).document()


class _Walk:
    """One pass over the syntax tree of a document."""

    def __init__(self, document: bytes) -> None:
        self._root = _parser().parse(document).root_node
        self._lines = document.split(b"\n")
        self._array_lengths: dict[KeyPath, int] = {}

    def document(self) -> Iterator[tuple[KeyPath, Position]]:
        for node in self._root.named_children:
            match node.type:
                case "pair":
                    yield from self._pair((), node)
                case "table" | "table_array_element":
                    yield from self._table(node)

    def _table(self, node: Node) -> Iterator[tuple[KeyPath, Position]]:
        header, *rest = node.named_children
        path: KeyPath = ()
        for name, part in _parts(header):
            path = (*self._last_item(path), name)
            yield path, self._at(part, part)
        if node.type == "table_array_element":
            index = self._array_lengths.get(path, 0)
            self._array_lengths[path] = index + 1
            path = (*path, index)
            yield path, self._at(header, header)
        for pair in rest:
            if pair.type == "pair":
                yield from self._pair(path, pair)

    def _last_item(self, path: KeyPath) -> KeyPath:
        """The table that a header means by the name of a list of tables."""
        length = self._array_lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _pair(self, path: KeyPath, node: Node) -> Iterator[tuple[KeyPath, Position]]:
        # What the grammar can't read (it is older than tomli), it takes for something else.
        if node.has_error:
            return
        key, value = (child for child in node.named_children if child.type != "comment")
        for name, part in _parts(key):
            path = (*path, name)
            yield path, self._at(part, value)
        yield from self._value(path, value)

    def _value(self, path: KeyPath, node: Node) -> Iterator[tuple[KeyPath, Position]]:
        match node.type:
            case "inline_table":
                for pair in node.named_children:
                    if pair.type == "pair":
                        yield from self._pair(path, pair)
            case "array":
                items = [item for item in node.named_children if item.type != "comment"]
                for index, item in enumerate(items):
                    yield (*path, index), self._at(item, item)
                    yield from self._value((*path, index), item)

    def _at(self, key: Node, value: Node) -> Position:
        return Position(self._spot(key), self._spot(value))

    def _spot(self, node: Node) -> Spot:
        row, column_bytes = node.start_point
        before = self._lines[row][:column_bytes].decode(errors="replace")
        return Spot(row + 1, len(before) + 1)


def _parts(node: Node) -> Iterator[tuple[str, Node]]:
    match node.type:
        case "bare_key":
            yield (node.text or b"").decode(), node
        case "quoted_key":
            yield _unquoted((node.text or b"").decode()), node
        case "dotted_key":
            for child in node.named_children:
                yield from _parts(child)


def _unquoted(key: str) -> str:
    try:
        return next(iter(tomli.loads(f"{key} = 0")))
    except tomli.TOMLDecodeError:  # only in a text that tomli refuses as a whole
        return key


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_toml.language()))
