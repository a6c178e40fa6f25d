"""serve-daemon: the program that systemd starts."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

import serve_daemon

if TYPE_CHECKING:
    from serve_daemon.supervisor.daemon import Options

DEFAULT_CONFIG = Path("/etc/serve.toml")
EXIT_FAILURE = 1
EXIT_CONFIG = 78  # EX_CONFIG of sysexits.h: starting again changes nothing


def _assignments(
    _context: click.Context, _option: click.Parameter, overrides: tuple[str, ...]
) -> tuple[str, ...]:
    from serve_daemon.config.outside import is_assignment

    for override in overrides:
        if not is_assignment(override):
            raise click.BadParameter(
                f'"{override}" is not KEY=VALUE, write it like --set log.level=debug'
            )
    return overrides


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help=f"The configuration file. Without it {DEFAULT_CONFIG}, or the embedded default where"
    " there is none.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_assignments,
    help="Override a key of the file.",
)
@click.option("--check", is_flag=True, help="Check the configuration and exit.")
@click.version_option(serve_daemon.__version__, prog_name="serve-daemon")
def main(config: Path | None, overrides: tuple[str, ...], *, check: bool) -> None:
    """Run the daemon in the foreground until SIGTERM; SIGHUP reloads the configuration."""
    if config is None and DEFAULT_CONFIG.exists():
        config = DEFAULT_CONFIG
    options = _options(config, list(overrides))
    sys.exit(_check(options) if check else _run(options))


def _options(config: Path | None, overrides: list[str]) -> "Options":
    from serve_daemon.config import directories
    from serve_daemon.config.load import Sources
    from serve_daemon.supervisor.daemon import Options
    from serve_daemon.supervisor.programs import Directories

    runtime, cache = directories.runtime_directory(), directories.cache_directory()
    places = Directories(runtime, cache, directories.state_directory())
    sources = Sources(
        main=config.absolute() if config else None,
        overrides=overrides,
        environment=dict(os.environ),
        cache_directory=str(cache),
    )
    return Options(sources, places, runtime / directories.CONTROL_SOCKET)


def _check(options: "Options") -> int:
    from serve_daemon.config.load import load
    from serve_daemon.config.problems import ConfigError

    try:
        load(options.sources)
    except ConfigError as error:
        click.echo(str(error), err=True)
        return EXIT_CONFIG
    return 0


def _run(options: "Options") -> int:
    import asyncio

    from serve_daemon.config.directories import ForeignDirectory
    from serve_daemon.config.problems import ConfigError
    from serve_daemon.control.server import SocketTaken
    from serve_daemon.supervisor.claim import AlreadyRunning
    from serve_daemon.supervisor.daemon import Daemon
    from serve_daemon.supervisor.logs import Log
    from serve_daemon.supervisor.notify import Notifier
    from serve_daemon.supervisor.sockets import ListeningSockets, take_inherited

    inherited = take_inherited(os.environ)
    try:
        log = Log()
        log.configure()
        daemon = Daemon(options, log, Notifier(os.environ), ListeningSockets(inherited))
        return asyncio.run(daemon.run())
    except ConfigError as error:
        click.echo(str(error), err=True)
        return EXIT_CONFIG
    except (AlreadyRunning, ForeignDirectory, SocketTaken, OSError) as error:
        click.echo(f"serve-daemon: {error}", err=True)
        return EXIT_FAILURE
