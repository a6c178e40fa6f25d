"""The keys that are set outside files: by the environment and by --set KEY=VALUE."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import tomli
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from serve_daemon.config.keys import field_at, is_list, may_be_list, named_tables, plain_keys
from serve_daemon.config.layers import Layer, Place
from serve_daemon.config.problems import KeyPath, Problem, dotted

_PREFIX = "SERVE_"


def environment_layer(
    environment: Mapping[str, str], files: list[Layer]
) -> tuple[Layer, list[Problem]]:
    """The keys that variables such as SERVE_SERVER__LISTEN set.

    A variable may set any key of the schema, in the tables with a name that a file defines.
    """
    layer = Layer({}, {})
    problems = []
    known = _variables(files)
    for variable, text in sorted(environment.items()):
        name = variable.upper()
        if not name.startswith(_PREFIX) or "__" not in name.removeprefix(_PREFIX):
            continue
        place = Place(f"environment variable {variable}")
        paths = known.get(name, [])
        path = paths[0] if len(paths) == 1 else ()
        message = _objection(name, paths, known) or _set_twice(layer, path)
        if message:
            problems.append(place.problem(path, message))
        else:
            _put(layer, path, text, place)
    return layer, problems


def overrides_layer(overrides: list[str]) -> tuple[Layer, list[Problem]]:
    """The keys that --set options set; the last one of a key holds."""
    layer = Layer({}, {})
    problems = []
    for override in overrides:
        key, _, text = override.partition("=")
        if is_assignment(override):
            _put(layer, key_path(key), text, Place("--set"))
        else:
            message = "is not KEY=VALUE, write it like --set log.level=debug"
            problems.append(Problem(file="--set", message=f'"{override}" {message}'))
    return layer, problems


def is_assignment(override: str) -> bool:
    """Whether it is KEY=VALUE, with a key that is written as in TOML."""
    key, separator, _ = override.partition("=")
    return bool(separator and key_path(key))


def _variables(files: list[Layer]) -> dict[str, list[KeyPath]]:
    """Which keys each variable would set; more than one where two names look alike."""
    known: dict[str, list[KeyPath]] = {}
    for path in (*plain_keys(), *_keys_of_named_tables(files)):
        known.setdefault(_variable(path), []).append(path)
    return known


def _keys_of_named_tables(files: list[Layer]) -> Iterator[KeyPath]:
    for first, table in named_tables().items():
        found = [layer.values.get(first) for layer in files]
        names = {name for tables in found if isinstance(tables, dict) for name in tables}
        yield from ((first, name, key) for name in sorted(names) for key in table.model_fields)


def _variable(path: KeyPath) -> str:
    parts = (re.sub(r"[^A-Z0-9_]", "_", str(part).upper()) for part in path)
    return _PREFIX + "__".join(parts)


def _objection(name: str, paths: list[KeyPath], known: dict[str, list[KeyPath]]) -> str:
    """What is wrong with a variable that does not mean one key; empty if it does."""
    if len(paths) > 1:
        return f"means {' and '.join(dotted(path) for path in paths)}, set them in a file"
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    match paths, close:
        case [], [guess]:
            return f"sets no key, did you mean {guess}?"
        case [], []:
            return (
                "sets no key, unset it or name a key: SERVE_SERVER__LISTEN is server.listen;"
                " models, profiles and keys must stand in a file first"
            )
    return ""


def _set_twice(layer: Layer, path: KeyPath) -> str:
    first = layer.places.get(path)
    return f"is set by {first.file} too, unset one of the two" if first else ""


def key_path(key: str) -> KeyPath:
    """The parts of a key that is written as in TOML; empty where it is none."""
    try:
        tree: Any = tomli.loads(f"{key.strip()} = 0")
    except tomli.TOMLDecodeError:
        return ()
    path: KeyPath = ()
    while isinstance(tree, dict):
        if len(tree) != 1:
            return ()
        ((name, tree),) = tree.items()
        path = (*path, name)
    return path


def _put(layer: Layer, path: KeyPath, text: str, place: Place) -> None:
    field = field_at(path)
    value = text if field is None else decoded(field, text)
    tables = layer.values
    for part in path[:-1]:
        table = tables.get(str(part))
        if not isinstance(table, dict):
            table = tables[str(part)] = {}
        tables = table
    tables[str(path[-1])] = value
    layer.places[path] = place


def decoded(field: FieldInfo, text: str) -> Any:
    """The text as a value of the key's type, or as it is: validation says what is wrong then."""
    if is_list(field) or (may_be_list(field) and ("," in text or text.strip().startswith("["))):
        return _list(text)
    annotation: Any = field.annotation
    try:
        return TypeAdapter(annotation).validate_strings(text.strip())
    except ValidationError:
        return text


def _list(text: str) -> Any:
    # An address may begin as a list of TOML does: [::1]:8000.
    if not text.strip().startswith("[") or re.match(r"\s*\[[^]\"]*\]:", text):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        return tomli.loads(f"list = {text}")["list"]
    except tomli.TOMLDecodeError:
        return text
