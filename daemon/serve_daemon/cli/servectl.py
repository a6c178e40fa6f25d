"""servectl: the command that controls a running serve-daemon."""

from pathlib import Path

import click

import serve_daemon
from serve_daemon.cli import (
    add_command,
    bench,
    bug_report,
    chat,
    config_commands,
    configuring,
    engine_command,
    import_command,
    keys,
    looking,
    metrics_command,
    pull_command,
    steering,
    top,
)
from serve_daemon.cli.connection import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="SERVECTL_SOCKET",
    help="The daemon's control socket. Default: $SERVECTL_SOCKET, else control.sock in the"
    " runtime directory.",
)
@click.version_option(serve_daemon.__version__, prog_name="servectl")
def main(socket: Path | None) -> None:
    """Control a running serve-daemon.

    Exit status: 0 done, 1 the operation failed, 2 wrong usage, 3 no daemon answers, 4 the
    configuration is refused.
    """


for command in (
    *looking.COMMANDS,
    *top.COMMANDS,
    *bench.COMMANDS,
    *chat.COMMANDS,
    *metrics_command.COMMANDS,
    *configuring.COMMANDS,
    *config_commands.COMMANDS,
    *add_command.COMMANDS,
    *import_command.COMMANDS,
    *steering.COMMANDS,
    *pull_command.COMMANDS,
    *engine_command.COMMANDS,
    *keys.COMMANDS,
    *bug_report.COMMANDS,
):
    main.add_command(command)
