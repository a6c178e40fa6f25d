"""A command line of `transformers serve` as a configuration of ours."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Any

from msgspec import Struct

from serve_daemon.cli import peer_flags
from serve_daemon.cli.editing import with_value
from serve_daemon.cli.peer_flags import FLAGS, MODEL_ARGUMENT
from serve_daemon.config.keys import field_at
from serve_daemon.config.load import Sources, load
from serve_daemon.config.outside import decoded
from serve_daemon.config.problems import ConfigError, KeyPath

PROFILE = ("profiles", "transformers-serve")  # where there is no model to put keys in
DEFAULTS = {"host": "localhost", "port": 8000, "model_timeout": 300}
LOOPBACK = {"localhost": "127.0.0.1"}
LEVELS = {"critical": "error", "fatal": "error", "warn": "warning", "detail": "debug"}
NO_BATCHING = "requests are always batched; engine continuous does it as --continuous-batching"
ON_DEMAND = (
    "is not given: any model is loaded by its name. The daemon serves those that have a table"
    ' [models.NAME], by their NAME; write profile = "transformers-serve" into each'
)
WIDTH = 100

Given = dict[str, Any]


class Note(Struct, frozen=True):
    """A flag that has no equivalent, or not quite."""

    flag: str
    why: str


class Imported(Struct, frozen=True):
    toml: str
    notes: list[Note]
    problems: str  # what is to be changed by hand before it can be used; "": nothing


def translated(line: str, directory: Path) -> Imported:
    """Flags as one would type them, in this directory. Raises `click.UsageError`."""
    given = peer_flags.given(line)
    notes = list(_notes(given))
    remarks = [f"As {_command_line(line)}", *(f"{each.flag} {each.why}." for each in notes)]
    text = "\n".join(
        fill(each, WIDTH, initial_indent="# ", subsequent_indent="#     ") for each in remarks
    )
    text += "\n"
    for path, value in _keys(given, directory):
        text = with_value(text, path, value)
    return Imported(text, notes, _problems(text))


def _command_line(line: str) -> str:
    """On one line, with the name of the program."""
    words = " ".join(line.replace("\\\n", " ").split())
    return words if "transformers" in words.partition("serve")[0] else f"transformers serve {words}"


def _keys(given: Given, directory: Path) -> Iterator[tuple[KeyPath, Any]]:
    """Every key that is not at its default, in the order of the file."""
    host, port = (given.get(name, DEFAULTS[name]) for name in ("host", "port"))
    if (host, port) != (DEFAULTS["host"], DEFAULTS["port"]):
        yield ("server", "listen"), [_address(str(host), int(port))]
    if given.get("enable_cors"):
        yield ("server", "cors_origins"), ["*"]
    if "log_level" in given:
        level = given["log_level"].lower()
        yield ("log", "level"), LEVELS.get(level, level)
    model = given.get(MODEL_ARGUMENT)
    table = ("models", model) if model else PROFILE
    if model:
        yield (*table, "source"), _source(model, directory)
    for key, value in _of_model(given):
        yield (*table, key), value


def _of_model(given: Given) -> Iterator[tuple[str, Any]]:
    if MODEL_ARGUMENT not in given:
        seconds = max(given.get("model_timeout", DEFAULTS["model_timeout"]), 0)
        yield "preload", False
        yield "idle_timeout", float(seconds)
    if given.get("continuous_batching"):
        yield "engine", "continuous"
    elif given.get("compile"):
        yield "engine", "compiled"
    for flag in FLAGS:
        value = given.get(flag.parameter)
        if flag.key and value is not None and not _is_idle(flag.name, given):
            field = field_at(("models", "m", flag.key))
            yield flag.key, decoded(field, value) if field and isinstance(value, str) else value


def _notes(given: Given) -> Iterator[Note]:
    if MODEL_ARGUMENT not in given:
        yield Note("FORCE_MODEL", ON_DEMAND)
    for flag in FLAGS:
        if flag.parameter in given and (why := flag.why or _remark(flag.name, given)):
            yield Note(f"--{flag.name}", why)


def _remark(name: str, given: Given) -> str:
    """Where a flag that has an equivalent means less than it seems to."""
    value = given[name.replace("-", "_")]
    if _is_idle(name, given):
        return "has no effect without --continuous-batching, so it is left out"
    if name == "continuous-batching" and not value:
        return NO_BATCHING
    if name == "model-timeout" and MODEL_ARGUMENT in given:
        return "is ignored beside FORCE_MODEL by transformers serve, so it is left out"
    if name == "compile" and value and given.get("continuous_batching"):
        return (
            "has no effect with --continuous-batching; see engine compiled, default_compile_level"
        )
    if name == "log-level" and LEVELS.get(value.lower(), value.lower()) != value.lower():
        return f"has no level {value}; the nearest one stands for it"
    return ""


def _is_idle(name: str, given: Given) -> bool:
    """Whether it is of a batching that does not take place."""
    return name.startswith("cb-") and not given.get("continuous_batching")


def _address(host: str, port: int) -> str:
    host = LOOPBACK.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _source(model: str, directory: Path) -> str:
    """A folder is found from wherever the daemon runs."""
    is_local = model.startswith((".", "/", "~")) or (directory / model).exists()
    return str((directory / Path(model).expanduser()).resolve()) if is_local else model


def _problems(text: str) -> str:
    try:
        load(Sources(text=text, is_daemon=False))
    except ConfigError as error:
        return "\n".join(f"{each.key}: {each.message}" for each in error.problems)
    return ""
