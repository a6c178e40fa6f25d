"""The commands of servectl that tell a daemon what to do with its models and itself."""

import click

from serve_daemon.cli.arguments import model_argument, no_block_option
from serve_daemon.cli.connection import call, connected

LOG_LEVELS = ("debug", "info", "warning", "error")


@click.command()
@model_argument
@no_block_option
def start(model: str, *, no_block: bool) -> None:
    """Start MODEL after a stop or a failure, and wait until it is ready."""
    call("Start", model=model, wait=not no_block)


@click.command()
@model_argument
@no_block_option
def stop(model: str, *, no_block: bool) -> None:
    """Drain MODEL and hold it stopped until it is started again."""
    call("Stop", model=model, wait=not no_block)


@click.command()
@model_argument
@no_block_option
def restart(model: str, *, no_block: bool) -> None:
    """Replace MODEL's engine; the new one is ready before the old one drains."""
    call("Restart", model=model, wait=not no_block)


@click.command("log-level")
@click.argument("level", type=click.Choice(LOG_LEVELS))
def log_level(level: str) -> None:
    """Write log records of LEVEL and above, until the next restart or change of the file."""
    call("SetLogLevel", level=level)


@click.command()
@no_block_option
def shutdown(*, no_block: bool) -> None:
    """Drain everything and end the daemon; returns when it has ended."""
    with connected() as client:
        client.call("Shutdown")
        if not no_block:
            client.wait_for_exit()


COMMANDS = (start, stop, restart, log_level, shutdown)
