"""The commands of servectl that tell a daemon what to do with its models and itself."""

import click

from serve_daemon.cli.arguments import model_argument, no_block_option
from serve_daemon.cli.connection import EXIT_FAILED, call, connected, fail

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


@click.command()
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Wait so long at the most. Default: as long as it takes.",
)
@no_block_option
def drain(timeout: float | None, *, no_block: bool) -> None:
    """Refuse new requests, and wait until none is open; models stay loaded.

    /ready says 503 from then on, so that a load balancer goes elsewhere, until `servectl resume`.
    """
    limit = 0.0 if no_block else timeout
    count: int | None = None
    with connected() as client:
        try:
            for reply in client.stream("Drain", **({} if limit is None else {"timeout": limit})):
                count = reply["open_requests"]
                if count and not no_block:
                    click.echo(f"open requests: {count}", err=True)
        except KeyboardInterrupt:
            click.echo("new requests stay refused; `servectl resume` takes them again", err=True)
            raise
    if count != 0 and not no_block:
        told = "not told yet" if count is None else count
        fail(f"still open: {told}; they go on, and new ones stay refused", EXIT_FAILED)


@click.command()
def resume() -> None:
    """Take new requests again after `servectl drain`."""
    call("Resume")


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


COMMANDS = (start, stop, restart, drain, resume, log_level, shutdown)
