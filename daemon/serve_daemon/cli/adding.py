"""A model added to the configuration: looked at, shown, written, and waited for."""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, structs

from serve_daemon.cli import checking, lines, one_key, reading
from serve_daemon.cli.connection import EXIT_FAILED, call, connected, fail
from serve_daemon.cli.probing import Found, Unfit, probe
from serve_daemon.cli.progress import Bar
from serve_daemon.cli.status import size
from serve_daemon.config import free_memory
from serve_daemon.config.keys import field_at
from serve_daemon.config.layers import is_relative_path
from serve_daemon.config.problems import KeyPath
from serve_daemon.config.sources import SourceError
from serve_daemon.config.tuning import Model
from serve_daemon.config.values import name_of
from serve_daemon.control.client import Client, ControlError, Unreachable

DEFAULT_ENGINE = Model.model_fields["engine"].default
LOOK_SECONDS = 0.3  # between two looks at how far an engine is
QUANTIZATION = re.compile(r"[-._](?:i?q\d\w*|b?f(?:p)?(?:16|32)|mxfp4\w*)$", re.IGNORECASE)
DROPPED = (".gguf", "-gguf", "_gguf")


class Wish(Struct, frozen=True, kw_only=True):
    """What was asked for."""

    source: str
    name: str = ""
    profile: str = ""
    keys: tuple[str, ...] = ()  # KEY=VALUE
    has_probe: bool = True
    is_sure: bool = False  # nobody is to be asked


class Added(Struct, frozen=True):
    name: str
    table: dict[str, Any]
    found: Found | None
    done: one_key.Done


def add(wish: Wish, options: one_key.Options, *, is_quiet: bool) -> Added:
    """Leaves where that can't be, or nobody agrees."""
    source = _absolute(wish.source)
    found = _probed(source, options) if wish.has_probe else None
    name = _name(wish.name or default_name(source))
    table = _table(source, wish, found)
    path: KeyPath = ("models", name)
    _demand_that_it_is_new(name, options)
    dry = structs.replace(options, dry_run=True)
    tried = one_key.set_values({path: table}, dry)
    if not is_quiet:
        _show(found, name, table, tried)
    if options.dry_run:
        return Added(name, table, found, tried)
    if not wish.is_sure:
        _ask(tried.file)
    with _watched(name, options):
        done = one_key.set_values({path: table}, options)
    return Added(name, table, found, done)


def default_name(source: str) -> str:
    """By which clients call it: what its file, folder or repository is called."""
    source = source.removeprefix("python:").rstrip("/")
    whole = source.rpartition(":")[2] if source.endswith(".gguf") else source.partition(":")[0]
    name = "-".join(whole.partition("@")[0].rpartition("/")[2].lower().split())
    for ending in DROPPED:
        name = name.removesuffix(ending)
    return QUANTIZATION.sub("", name) or name


def _name(text: str) -> str:
    try:
        return name_of(text)
    except ValueError as error:
        raise click.BadParameter(f"the name {text!r} {error}", param_hint="--name") from error


def _absolute(source: str) -> str:
    """A path as it holds in whatever file it stands."""
    if source.startswith("~") or is_relative_path(source) or Path(source).exists():
        return os.path.abspath(Path(source).expanduser())  # noqa: PTH100 - links stay as they are
    return source


def _probed(source: str, options: one_key.Options) -> Found:
    if options.file is not None:
        python = str(checking.effective_of(options.file)["engine"]["python"])
    else:
        python = str(call("GetConfig")["config"]["engine"]["python"])
    try:
        return probe(source, python)
    except (Unfit, SourceError) as error:
        fail(str(error), EXIT_FAILED)


def _table(source: str, wish: Wish, found: Found | None) -> dict[str, Any]:
    table: dict[str, Any] = {"source": source}
    if wish.profile:
        table["profile"] = wish.profile
    is_telling = found is not None and found.engine != DEFAULT_ENGINE
    # A profile that was chosen knows best, but for a model of another kind.
    if found is not None and is_telling and (not wish.profile or found.engine == "embedding"):
        table["engine"] = found.engine
    for assignment in wish.keys:
        key, separator, text = assignment.partition("=")
        field = field_at(("models", "m", key.strip()))
        if not separator or field is None:
            known = ", ".join(Model.model_fields)
            raise click.BadParameter(
                f"{assignment!r} is not KEY=VALUE of a model; its keys: {known}",
                param_hint="--set",
            )
        table[key.strip()] = one_key.toml_value(field, text)
    return table


def _demand_that_it_is_new(name: str, options: one_key.Options) -> None:
    tree = reading.effective(options.file)
    known = {
        *tree["models"],
        *(each for model in tree["models"].values() for each in model["aliases"]),
    }
    if name in known:
        fail(f"there is a model {name!r} already; choose another --name", EXIT_FAILED)


# ---------------------------------------------------------------- what is shown


def _show(found: Found | None, name: str, table: dict[str, Any], tried: one_key.Done) -> None:
    for line in _summary(found) if found else ():
        click.echo(line)
    click.echo(click.style(f"# {tried.file}", bold=True))
    for line in reading.toml_lines(table, None, ("models", name)):
        click.echo(line)
    for line in lines.changes_lines(tried.changes) if tried.changes else ():
        click.echo(line)


def _summary(found: Found) -> Iterator[str]:
    parameters = f", {_count(found.parameters)} parameters" if found.parameters else ""
    yield click.style(found.source, bold=True)
    yield from _row("architecture", f"{found.architecture or 'not told'}{parameters}")
    yield from _row("format", found.format)
    where = f", {size(found.download_bytes)} to download" if found.download_bytes else ", here"
    yield from _row("size", f"{size(found.weight_bytes)}{where}")
    yield from _row("context", f"{found.context} tokens" if found.context else "")
    yield from _row("engine", f"{found.engine}: {found.why_engine}")
    free = free_memory.free_host_bytes()
    yield from _row("free memory", "" if free is None else f"{size(free)} of the host")
    for note in found.notes:
        yield from _row("note", note)
    if free is not None and found.weight_bytes > free and not any(_gpus()):
        yield from _row("note", "the weights alone are more than is free")
    yield ""


def _row(name: str, value: str) -> Iterator[str]:
    if value:
        yield f"  {name:<13} {value}"


def _count(number: int) -> str:
    for unit, length in (("B", 10**9), ("M", 10**6)):
        if number >= length:
            return f"{number / length:.3g}{unit}"
    return str(number)


def _gpus() -> Iterator[int]:
    free = free_memory.free_bytes("cuda:0")
    if free is not None:
        yield free


def _ask(file: str) -> None:
    if not _is_terminal():
        raise click.UsageError("nobody can be asked here: say --yes, or --dry-run")
    if not click.confirm(f"Write this to {file}?", default=True, err=True):
        fail("nothing has changed", EXIT_FAILED)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


# ---------------------------------------------------------------- how far it is


@contextmanager
def _watched(name: str, options: one_key.Options) -> Iterator[None]:
    """Tell, while the change is carried out, what the engine does."""
    if options.file is not None or options.no_reload:
        yield
        return
    with connected() as client:
        path = client.path
    is_over, bar = threading.Event(), Bar(name)
    watching = threading.Thread(target=_watch, args=(path, name, bar, is_over), daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join()
        bar.end()


def _watch(path: Path, name: str, bar: Bar, is_over: threading.Event) -> None:
    client = Client(path)
    while not is_over.wait(LOOK_SECONDS):
        # The model may not be there yet, or any more.
        with suppress(ControlError, Unreachable):
            for replica in client.call("Status", model=name)["models"][0]["replicas"]:
                if replica["progress"]:
                    done, total = replica["progress_done"], replica["progress_total"]
                    bar.tell(done, total, replica["progress"].partition(" /")[0])
    client.close()
