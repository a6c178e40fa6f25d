"""One place that sets keys: a file, the environment or the command line, and where it sets each."""

import re
from os.path import normpath
from pathlib import Path
from typing import Any

import tomli
from msgspec import Struct

from serve_daemon.config.files import TextFile
from serve_daemon.config.positions import Position, Spot, definitions, positions
from serve_daemon.config.problems import KeyPath, Problem, dotted


class Place(Struct, frozen=True):
    """Where a key is set; `position` is None outside files."""

    file: str
    position: Position | None = None
    lines: tuple[str, ...] = ()  # of the file

    def problem(self, path: KeyPath, message: str, *, at_key: bool = False) -> Problem:
        """A problem with the key, or else with its value."""
        if self.position is None:
            return Problem(file=self.file, key=dotted(path), message=message)
        spot = self.position.key if at_key else self.position.value
        return _at(self.file, spot, self.lines, (dotted(path), message))


class Layer(Struct, frozen=True):
    """Values as a tree of tables, and the place of each of them."""

    values: dict[str, Any]
    places: dict[KeyPath, Place]


def file_layer(file: TextFile) -> Layer:
    """Parse a file; raises `InvalidToml`."""
    lines = tuple(line.removesuffix("\r") for line in file.text.split("\n"))
    try:
        values = tomli.loads(file.text)
    except tomli.TOMLDecodeError as error:
        raise InvalidToml(_syntax_problem(file, lines, error)) from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of 4300 digits
        raise InvalidToml(Problem(file=file.path, message=f"{error}, write less")) from None
    _make_sources_absolute(values, file.path)
    places = {
        path: Place(file.path, position, lines) for path, position in positions(file.text).items()
    }
    places[()] = Place(file.path, Position(Spot(1, 1), Spot(1, 1)), lines)
    return Layer(values, places)


class InvalidToml(Exception):  # noqa: N818 - it names what happened
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def locate(layers: list[Layer], path: KeyPath) -> Place:
    """The place that decides about a key: in the first layer that sets it, or its table.

    The last layer is a file's, which has a place for everything.
    """
    names = tuple(part for part in path if isinstance(part, str))
    for length in range(len(names), -1, -1):
        for layer in layers:
            if names[:length] in layer.places:
                return _closest(layer, path)
        for layer in layers:  # one that implies the table without naming it
            for known, place in layer.places.items():
                if length and known[:length] == names[:length]:
                    return place
    raise LookupError("no file was read")


def is_relative_path(source: str) -> bool:
    """Whether a model's source is a file or directory that is named relative to another one."""
    if source.startswith(("./", "../")):
        return True
    return source.endswith(".gguf") and not source.startswith("/") and ":" not in source


def _closest(layer: Layer, path: KeyPath) -> Place:
    while path not in layer.places:
        path = path[:-1]
    return layer.places[path]


def _make_sources_absolute(values: dict[str, Any], file: str) -> None:
    models = values.get("models")
    for model in models.values() if isinstance(models, dict) else ():
        source = model.get("source") if isinstance(model, dict) else None
        if isinstance(source, str) and is_relative_path(source):
            model["source"] = normpath(Path(file).absolute().parent / source)


def _syntax_problem(
    file: TextFile, lines: tuple[str, ...], error: tomli.TOMLDecodeError
) -> Problem:
    spot = Spot(error.lineno, error.colno)
    if re.match("Cannot|Duplicate", error.msg):
        twice = _defined_twice(file.text, spot)
        if twice:
            path, again, first = twice
            message = f"is already set in line {first.line}, remove one of the two"
            return _at(file.path, again, lines, (dotted(path), message))
    remedy = next((each for said, each in _REMEDIES if error.msg.startswith(said)), "repair it")
    message = f"{error.msg[:1].lower()}{error.msg[1:]}, {remedy}"
    return _at(file.path, spot, lines, ("", message))


_REMEDIES = (
    ("Invalid value", "write texts in quotes"),
    ("Invalid statement", "write KEY = VALUE or [TABLE]"),
    ("Expected '=' after a key", "write KEY = VALUE"),
    ("Expected ']' at the end of a table", "write [TABLE], names with spaces or dots in quotes"),
    ("Expected newline", "write one key a line"),
    ("Illegal character '\\n'", "close the quotes"),
    ("Found invalid character '\\n'", "close the quotes"),
    ("Unclosed array", "close it with ]"),
)


def _defined_twice(text: str, end: Spot) -> tuple[KeyPath, Spot, Spot] | None:
    """Which key the statement that ends at `end` sets again, there and for the first time."""
    spots: dict[KeyPath, list[Spot]] = {}
    last: KeyPath = ()
    for path, position in definitions(text):
        if (position.key.line, position.key.column) >= (end.line, end.column):
            break
        spots.setdefault(path, []).append(position.key)
        last = path
    for length in range(len(last), 0, -1):
        seen = spots[last[:length]]
        if len(seen) > 1:
            return last[:length], seen[-1], seen[0]
    return None


def _at(file: str, spot: Spot, lines: tuple[str, ...], said: tuple[str, str]) -> Problem:
    key, message = said
    text = lines[spot.line - 1] if spot.line <= len(lines) else ""
    return Problem(
        file=file, line=spot.line, column=spot.column, key=key, message=message, text=text
    )
