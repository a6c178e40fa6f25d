"""How servectl reaches a daemon, and what its errors mean to who typed the command."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from serve_daemon.config import directories
from serve_daemon.control import protocol
from serve_daemon.control.client import Client, Unreachable
from serve_daemon.control.protocol import ControlError

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_REFUSED = 4
EXIT_INTERRUPTED = 130


def default_socket() -> Path:
    """The control socket of this user's daemon, else the system's if only that is there."""
    own = directories.runtime_directory() / directories.CONTROL_SOCKET
    system = directories.SYSTEM_RUNTIME_DIRECTORY / directories.CONTROL_SOCKET
    # A member of the group, and root in a login session, have a runtime directory of their own.
    return system if system.exists() and not own.exists() else own


@contextlib.contextmanager
def connected() -> Iterator[Client]:
    """A client of the daemon that this command is for."""
    path: Path | None = click.get_current_context().find_root().params["socket"]
    with contextlib.closing(Client(path or default_socket())) as client:
        yield client


def call(method: str, **parameters: Any) -> dict[str, Any]:
    """One call of the daemon that this command is for."""
    with connected() as client:
        return client.call(method, **parameters)


class Commands(click.Group):
    """A group whose commands may let errors of the daemon pass: they end it with their status."""

    def invoke(self, ctx: click.Context) -> Any:
        # NO_COLOR, see no-color.org; without it click colours on terminals alone.
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(EXIT_INTERRUPTED)
        except Unreachable as error:
            fail(str(error), EXIT_UNREACHABLE)
        except ControlError as error:
            fail(explain(error), EXIT_REFUSED if is_refusal(error) else EXIT_FAILED)


def fail(message: str, status: int) -> NoReturn:
    """Say what is wrong and leave."""
    click.echo(message, err=True)
    click.get_current_context().exit(status)


def is_refusal(error: ControlError) -> bool:
    return error.name == protocol.CONFIG_REFUSED


def name_file(error: ControlError, file: Path | str | None) -> None:
    """The daemon saw the text under the name of its own file; who typed the command did not."""
    if file and is_refusal(error):
        main = call("Status")["daemon"]["config"]
        for problem in error.parameters["problems"]:
            problem["file"] = str(file) if problem["file"] == main else problem["file"]


def explain(error: ControlError) -> str:
    """What a daemon's error says, for people."""
    given = error.parameters
    match error.name:
        case protocol.UNKNOWN_MODEL:
            known = ", ".join(given["known"]) or "none"
            return f"no model is named {given['model']!r}; those that are configured: {known}"
        case protocol.CONFIG_REFUSED:
            return "\n".join(_problem(problem) for problem in given["problems"])
        case protocol.RELOAD_FAILED:
            from serve_daemon.cli.lines import changes_lines

            return "\n".join(["the reload has failed:", *changes_lines(given["changes"])])
        case protocol.OPERATION_FAILED:
            return str(given["message"])
        case _:
            return f"the daemon refuses: {error}; is it of another version than servectl?"


def _problem(problem: dict[str, Any]) -> str:
    from serve_daemon.config.problems import Problem

    return Problem(**problem).render()
