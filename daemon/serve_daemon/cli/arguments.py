"""Arguments and options that several commands of servectl take, and how they print."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from serve_daemon.cli.connection import call
from serve_daemon.cli.terminal import readable
from serve_daemon.control.client import ControlError, Unreachable

ARGUMENT_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def complete_model(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of models that begin so; none where no daemon answers."""
    with context.scope(), contextlib.suppress(Unreachable, ControlError):
        models = call("Status")["models"]
        names = [model["name"] for model in models if model["name"].startswith(incomplete)]
        return [CompletionItem(name) for name in names]
    return []


model_argument = click.argument("model", shell_complete=complete_model)
any_model_argument = click.argument("model", required=False, shell_complete=complete_model)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
no_block_option = click.option(
    "--no-block", is_flag=True, help="Return when the operation has begun, not when it has ended."
)

key_option = click.option(
    "--key",
    envvar="SERVECTL_API_KEY",
    help="A key of the API. Default: $SERVECTL_API_KEY. A process list shows it if given here.",
)
url_option = click.option(
    "--url",
    metavar="URL",
    help="Where the API is, like https://host:8000. Default: where the daemon listens.",
)


def show(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(readable(line))
