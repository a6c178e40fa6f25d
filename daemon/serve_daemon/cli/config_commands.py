"""The commands `servectl config ...`: the keys of the configuration, looked at and changed."""

import json
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from serve_daemon.cli.arguments import ARGUMENT_FILE, json_option, show
from serve_daemon.cli.completing import complete_key


@click.group()
def config() -> None:
    """Look at the configuration, and change single keys of it."""


file_option = click.option("--file", type=ARGUMENT_FILE, help="Of this file, without a daemon.")
origin_option = click.option("--origin", is_flag=True, help="Say where each key is set.")


def key_argument(command: Any) -> Any:
    return click.argument("key", metavar="KEY", shell_complete=_complete)(command)


def _complete(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return complete_key(context, incomplete)


def changing_options(command: Any) -> Any:
    """What the commands that change a file take."""
    for option in (
        click.option("--file", type=ARGUMENT_FILE, help="Change this file, without a daemon."),
        click.option(
            "--drop-in", metavar="NAME", help="Write into the drop-in NAME, made if need be."
        ),
        click.option("--no-reload", is_flag=True, help="Write the file only."),
        click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing."),
        json_option,
    ):
        command = option(command)
    return command


@config.command("show")
@file_option
@origin_option
@json_option
def show_config(file: Path | None, *, origin: bool, as_json: bool) -> None:
    """Print the effective configuration, every key with its value, as TOML."""
    from serve_daemon.cli import reading

    tree = reading.effective(file)
    origins = reading.origins(file) if origin else None
    if as_json:
        document = {"config": tree, "origins": origins} if origin else tree
        click.echo(json.dumps(document, indent=2))
    else:
        show(reading.toml_lines(tree, origins))


@config.command()
@key_argument
@file_option
@origin_option
@json_option
def get(key: str, file: Path | None, *, origin: bool, as_json: bool) -> None:
    """Print the effective value of KEY, or of every key of the table KEY."""
    from serve_daemon.cli import reading

    path = reading.path_of(key)
    value = reading.value_at(reading.effective(file), path)
    origins = reading.origins(file) if origin else None
    if as_json:
        found = {"value": value, "origin": reading.origin_of(path, origins)} if origin else value
        click.echo(json.dumps(found, indent=2))
    elif isinstance(value, dict) or origin:
        show(reading.toml_lines(value, origins, path))
    else:
        click.echo(reading.plain(value))


@config.command("set")
@key_argument
@click.argument("value")
@changing_options
def set_key(key: str, value: str, *, as_json: bool, **options: Any) -> None:
    """Give KEY a VALUE in the daemon's file, and carry it out.

    KEY is written as in TOML: models.smollm2.max_requests, or models."a.b".dtype where a name has
    dots. Comments and order of the file stay. A value that is refused changes nothing.
    """
    from serve_daemon.cli import one_key

    one_key.report(one_key.set_value(key, value, one_key.Options(**options)), as_json=as_json)


@config.command()
@key_argument
@changing_options
def unset(key: str, *, as_json: bool, **options: Any) -> None:
    """Take KEY, or the table of a model, profile or key, out of the daemon's file."""
    from serve_daemon.cli import one_key

    one_key.report(one_key.unset(key, one_key.Options(**options)), as_json=as_json)


@config.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors and checkers. Needs no daemon."""
    from serve_daemon.config.json_schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


COMMANDS = (config,)
