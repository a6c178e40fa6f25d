"""One key of the configuration changed in its file: tried first, then written, then carried out."""

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
import tomli
from msgspec import Struct, structs
from pydantic import ByteSize
from pydantic.fields import FieldInfo

from serve_daemon.cli import changing, checking, editing, lines, reading
from serve_daemon.cli.connection import EXIT_FAILED, call, fail
from serve_daemon.cli.rewriting import Rewriting
from serve_daemon.config.files import drop_in_directory
from serve_daemon.config.keys import field_at, named_tables, table_at
from serve_daemon.config.outside import decoded
from serve_daemon.config.problems import KeyPath, dotted

UNITS = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
NAMED = 2  # parts of the name of a table such as models.smollm2

Document = dict[str, Any]


class Options(Struct, frozen=True):
    """Where a change goes, and how far."""

    file: Path | None = None  # None: the daemon's
    drop_in: str | None = None  # its name
    no_reload: bool = False
    dry_run: bool = False


class Done(Struct, frozen=True):
    """What has become of a change."""

    file: str
    key: str
    changed: bool  # whether the file is to be another one
    written: bool  # whether it is
    changes: list[Document]  # what the daemon did, or would do
    overridden_by: str  # what sets the key, too, and wins; "": nothing
    remark: str = ""


def set_value(key: str, text: str, options: Options) -> Done:
    """Give a key a value; leaves where that can't be, having changed nothing."""
    path = reading.path_of(key)
    if table_at(path) is not None:
        raise click.BadParameter(f"{key} is a table, name a key of it")
    _demand_a_model(path, options)
    field = field_at(path)
    value = text if field is None else toml_value(field, text)
    return set_values({path: value}, options)


def _demand_a_model(path: KeyPath, options: Options) -> None:
    """A name that is mistyped would make a model of itself."""
    if path[0] != "models" or path[-1] == "source":
        return
    known = reading.effective(options.file)["models"]
    if len(path) > NAMED and path[1] not in known:
        names = ", ".join(known) or "none"
        fail(
            f"no model is named {path[1]!r}, `servectl add` adds one; there are: {names}",
            EXIT_FAILED,
        )


def set_values(values: dict[KeyPath, Any], options: Options) -> Done:
    """As `set_value`, of keys or whole tables with values of TOML; reports on the first."""
    target = _target(options)
    text = target.text
    for path, value in values.items():
        text = target.edited(text, partial(editing.with_value, path=path, value=value))
    return _change(target, next(iter(values)), text, options)


def unset(key: str, options: Options) -> Done:
    """Take a key or a table with a name out; leaves where the file doesn't set it."""
    path = reading.path_of(key)
    if table_at(path) is not None and not (len(path) == NAMED and path[0] in named_tables()):
        raise click.BadParameter(f"{key} is a table, name a key of it")
    target = _target(options)
    take = partial(editing.without, path=path, default=default_of(path))
    try:
        text = target.edited(target.text, take)
    except KeyError:
        fail(f"{target.file}: does not set {dotted(path)}{_elsewhere(path, options)}", EXIT_FAILED)
    return _change(target, path, text, options)


def report(done: Done, *, as_json: bool) -> None:
    """Print what has become of it."""
    if as_json:
        click.echo(json.dumps(structs.asdict(done), indent=2))
        return
    for line in outcome(done):
        click.echo(line)
    warnings = [
        f"{done.key} is set by {done.overridden_by} as well, which wins"
        if done.overridden_by
        else "",
        done.remark,
    ]
    for each in filter(None, warnings):
        click.echo(f"{click.style('note', fg='yellow')}: {each}", err=True)


def outcome(done: Done) -> Iterator[str]:
    """What the daemon did, or would do; without one, what became of the file."""
    if not done.changed:
        yield f"{done.file}: says so already"
    elif done.changes:
        yield from lines.changes_lines(done.changes)
    else:
        yield f"{done.file}: {'written' if done.written else 'would be written'}"


def toml_value(field: FieldInfo, text: str) -> Any:
    """What to write for a value that is typed in a shell, quoted or not."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        try:
            text = tomli.loads(f"text = {text}")["text"]
        except tomli.TOMLDecodeError:
            return text
    value = decoded(field, text)
    if isinstance(value, ByteSize):  # "2GiB" is better read than its number
        return int(text) if text.strip().isdigit() else text.strip()
    return value


def default_of(path: KeyPath) -> Any:
    """As one would write it; `editing.ABSENT` where there is none."""
    field = field_at(path)
    if field is None:
        return editing.ABSENT
    value = field.get_default(call_default_factory=True)
    return _size(value) if isinstance(value, ByteSize) else value


def _size(count: int) -> int | str:
    """In the largest unit that it is a whole number of."""
    unit = next((each for each in UNITS if count and count % UNITS[each] == 0), "")
    return f"{count // UNITS[unit]}{unit}" if unit else int(count)


class _Target(Struct, frozen=True):
    """The file to change, and the main file that it belongs to."""

    file: Path
    main: Path
    text: str
    has_daemon: bool

    def edited(self, text: str, edit: Callable[[str], str]) -> str:
        """Leaves where the text can't be edited; what is wrong with it is told."""
        try:
            return edit(text)
        except tomli.TOMLDecodeError:
            self.judge(text)
            raise
        except ValueError as error:
            fail(f"{self.file}: {error}", EXIT_FAILED)

    def judge(self, text: str) -> list[Document]:
        """What the text would change in the daemon; leaves, with each problem, if it is bad."""
        if not self.has_daemon:
            checking.loaded_with(self.main, text, self.file)
            return []
        changes: list[Document] = call("Plan", text=text, file=str(self.file))["changes"]
        return changes

    def origin(self, path: KeyPath, text: str) -> str:
        if self.has_daemon:
            found = call("GetOrigins", text=text, file=str(self.file))["origins"]
        else:
            found = checking.origins_of(self.main, text, self.file)
        return reading.origin_of(path, found)


def _target(options: Options) -> _Target:
    main = options.file.absolute() if options.file else changing.main_file()
    file = main
    if options.drop_in is not None:
        name = options.drop_in.removesuffix(".toml")
        if not name or name.startswith(".") or os.sep in name:
            raise click.BadParameter(f"{options.drop_in!r} is no name of a file, like 10-local")
        file = drop_in_directory(main) / f"{name}.toml"
    return _Target(file, main, _text(file, is_new=file != main), options.file is None)


def _text(file: Path, *, is_new: bool) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        return "" if is_new else _unreadable(file, error.strerror)
    except OSError as error:
        _unreadable(file, error.strerror)
    except UnicodeDecodeError as error:
        _unreadable(file, f"byte {error.start} is not UTF-8")


def _unreadable(file: Path, why: str | None) -> NoReturn:
    fail(f"{file}: can't be read: {why}", EXIT_FAILED)


def _change(target: _Target, path: KeyPath, text: str, options: Options) -> Done:
    """Judge, then write, then reload."""
    is_other = text != target.text
    changes = target.judge(text) if is_other else []
    origin = target.origin(path, text)
    is_ours = origin == reading.DEFAULT or origin.startswith(f"{target.file}:")
    remark, is_written = "", is_other and not options.dry_run
    if is_written:
        rewriting = Rewriting({target.file: text})
        if target.has_daemon and not options.no_reload:
            changes = changing.carry_out(rewriting)
        else:
            changing.write(rewriting)
            remark = _what_is_left(target)
    overridden = "" if is_ours else origin
    return Done(str(target.file), dotted(path), is_other, is_written, changes, overridden, remark)


def _what_is_left(target: _Target) -> str:
    if not target.has_daemon:
        return ""
    if call("GetConfig")["config"]["control"]["watch"]:
        return "the daemon watches its files and carries it out by itself ([control] watch)"
    return "written, and not carried out: servectl reload does that"


def _elsewhere(path: KeyPath, options: Options) -> str:
    origin = reading.origin_of(path, reading.origins(options.file))
    return "" if origin == reading.DEFAULT else f"; {origin} does"
