"""The effective configuration, of the daemon or of a file, and single keys of it."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from serve_daemon.cli import checking
from serve_daemon.cli.completing import every_key
from serve_daemon.cli.connection import EXIT_FAILED, call, fail
from serve_daemon.config.outside import key_path
from serve_daemon.config.problems import KeyPath, dotted

Tree = dict[str, Any]
DEFAULT = "default"


def effective(file: Path | None) -> Tree:
    """Every key with its value: of the daemon, or of a file without one."""
    if file is not None:
        return checking.effective_of(file)
    tree: Tree = call("GetConfig")["config"]
    return tree


def origins(file: Path | None) -> dict[str, str]:
    """Where keys are set, by their name; those at their defaults are left out."""
    if file is not None:
        return checking.origins_of(file)
    found: dict[str, str] = call("GetOrigins")["origins"]
    return found


def path_of(key: str) -> KeyPath:
    """Raises `click.BadParameter` for what is not written as a key."""
    path = key_path(key)
    if not path:
        raise click.BadParameter(
            f"{key!r} is no key, write it as in TOML: server.listen, models.NAME.dtype, or"
            ' models."NAME.WITH.DOTS".dtype'
        )
    return path


def value_at(tree: Tree, path: KeyPath) -> Any:
    """Leaves where there is no such key."""
    found: Any = tree
    for part in path:
        if not isinstance(found, dict) or part not in found:
            fail(f"{dotted(path)}: there is no such key{_guess(tree, path)}", EXIT_FAILED)
        found = found[part]
    return found


def origin_of(path: KeyPath, found: Mapping[str, str] | None) -> str:
    return (found or {}).get(dotted(path), DEFAULT)


def plain(value: Any) -> str:
    """As a script wants it: texts without quotes."""
    return value if isinstance(value, str) else shown(value)


def shown(value: Any) -> str:
    """As one would write it: JSON's texts, numbers and lists are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)


def toml_lines(value: Any, found: Mapping[str, str] | None, path: KeyPath = ()) -> Iterator[str]:
    """A table and those within it, or one key; each key with where it is set, if that is given."""
    if not isinstance(value, dict):
        yield f"{dotted(path)} = {shown(value)}{_remark(path, found)}"
        return
    keys = {name: each for name, each in value.items() if not isinstance(each, dict)}
    if path and (keys or not value):
        yield f"[{dotted(path)}]"
    for name, each in keys.items():
        yield f"{dotted((name,))} = {shown(each)}{_remark((*path, name), found)}"
    if keys:
        yield ""
    for name in (each for each in value if each not in keys):
        yield from toml_lines(value[name], found, (*path, name))


def _remark(path: KeyPath, found: Mapping[str, str] | None) -> str:
    return "" if found is None else click.style(f"  # {origin_of(path, found)}", dim=True)


def _guess(tree: Tree, path: KeyPath) -> str:
    names = [dotted(each) for each in every_key(tree)]
    close = get_close_matches(dotted(path), names, n=1)
    return f"; did you mean {close[0]}?" if close else "; `servectl config show` lists them"
