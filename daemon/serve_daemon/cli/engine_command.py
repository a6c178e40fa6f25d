"""The commands `servectl engine ...`: the environment that engines run in, with PyTorch."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serve_daemon.cli.arguments import json_option, show
from serve_daemon.cli.connection import EXIT_FAILED, call, fail
from serve_daemon.cli.engine_errors import EngineSetupError

if TYPE_CHECKING:
    from serve_daemon.cli.engine_environments import Environment, Environments

DEFAULT_DIRECTORY = "/var/lib/serve-daemon/engine"
RELOAD_HINT = "running engines stay as they are until servectl reload"

directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="Where environments lie.",
)
reload_option = click.option(
    "--reload", "reloads", is_flag=True, help="Have the daemon replace its engines afterwards."
)


class EngineCommands(click.Group):
    """Says why nothing was done."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EngineSetupError as error:
            fail(str(error), EXIT_FAILED)


@click.group(cls=EngineCommands)
def engine() -> None:
    """Install the environment that engines run in, with PyTorch, and go back to another one."""


@engine.command()
@click.option("--index-url", metavar="URL", default="", help="The package index to install from.")
@click.option("--extra-index-url", metavar="URL", multiple=True, help="One more of them.")
@click.option(
    "--wheelhouse",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Install from the wheels in this directory alone, without a network.",
)
@click.option(
    "--lock",
    metavar="LOCK",
    default="cuda",
    show_default=True,
    help="What to install: a lock of this version, or a file of requirements with hashes.",
)
@directory_option
@reload_option
@json_option
def install(  # noqa: PLR0913 - one for each option
    index_url: str,
    extra_index_url: tuple[str, ...],
    wheelhouse: Path | None,
    lock: str,
    directory: Path,
    *,
    reloads: bool,
    as_json: bool,
) -> None:
    """Install an environment for engines, and make it the current one once it works.

    Every file has the hash that the lock says. Whatever fails or interrupts it, the environment
    that was current stays. Where it is there already, nothing happens.
    """
    from serve_daemon.cli import engine_changes, engine_locks
    from serve_daemon.cli.engine_building import Origin

    if wheelhouse and (index_url or extra_index_url):
        raise click.UsageError("--wheelhouse goes without an index")
    origin = Origin(wheelhouse, index_url, extra_index_url)
    made, is_new = engine_changes.install(_at(directory), engine_locks.named(lock), origin)
    _tell_current(made, as_json=as_json, is_new=is_new)
    _take_up(reloads=reloads, is_new=is_new)


@engine.command("list")
@directory_option
@json_option
def list_environments(directory: Path, *, as_json: bool) -> None:
    """List the environments: which is current and previous, of what, and how large."""
    from serve_daemon.cli.engine_building import PACKAGE
    from serve_daemon.cli.engine_lines import document, listed

    found = _at(directory).all()
    if as_json:
        click.echo(json.dumps([document(each) for each in found], indent=2))
    else:
        show(listed(found, PACKAGE))


@engine.command()
@click.argument("environment", required=False, default="")
@directory_option
@reload_option
@json_option
def rollback(environment: str, directory: Path, *, reloads: bool, as_json: bool) -> None:
    """Make the previous environment the current one again, or the ENVIRONMENT that is named."""
    from serve_daemon.cli import engine_changes

    found = engine_changes.roll_back(_at(directory), environment)
    _tell_current(found, as_json=as_json, is_new=True)
    _take_up(reloads=reloads, is_new=True)


@engine.command()
@click.argument("environments", metavar="[ENVIRONMENT]...", nargs=-1)
@directory_option
def remove(environments: tuple[str, ...], directory: Path) -> None:
    """Take away all but the current and the previous environment, or those that are named."""
    from serve_daemon.cli import engine_changes

    show(f"removed {name}" for name in engine_changes.remove(_at(directory), environments))


@engine.command("lock")
@click.argument("name", metavar="[LOCK]", default="cuda")
def show_lock(name: str) -> None:
    """Print a lock, as pip takes it: for filling a wheelhouse on another machine."""
    from serve_daemon.cli import engine_locks

    click.echo(engine_locks.named(name).text, nl=False)


def _at(directory: Path) -> "Environments":
    from serve_daemon.cli.engine_environments import Environments

    return Environments(directory.absolute())


def _tell_current(current: "Environment", *, as_json: bool, is_new: bool) -> None:
    from serve_daemon.cli.engine_lines import document, summary

    lines: Iterable[str] = summary(current, is_new=is_new)
    show([json.dumps(document(current) | {"changed": is_new}, indent=2)] if as_json else lines)


def _take_up(*, reloads: bool, is_new: bool) -> None:
    """Have running engines replaced, or say how."""
    if reloads:
        from serve_daemon.cli.lines import changes_lines

        for line in changes_lines(call("Reload", wait=True)["changes"]):
            click.echo(line, err=True)
    elif is_new:
        click.echo(RELOAD_HINT, err=True)


COMMANDS = (engine,)
