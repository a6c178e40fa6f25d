"""What `servectl engine` does: make an environment the current one, go back, take away."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import click

from serve_daemon.cli import engine_building
from serve_daemon.cli.engine_building import Origin
from serve_daemon.cli.engine_environments import Environment, Environments, users_of
from serve_daemon.cli.engine_errors import EngineSetupError
from serve_daemon.cli.engine_locks import Lock


def install(environments: Environments, lock: Lock, origin: Origin) -> tuple[Environment, bool]:
    """Have the environment of a lock, and that as the current one; and whether that is news.

    It is switched to when it has proven that it works. Raises `EngineSetupError`.
    """
    with environments.changing(), _ended_in_order():
        name = lock.key(engine_building.PACKAGE)
        there = environments.find(name)
        if there is None or there.problem:
            engine_building.build(environments, lock, origin)
        elif there.is_current:
            return there, False
        else:
            engine_building.prove(Path(there.path))
        environments.switch(name)
        return _one(environments, name), True


def roll_back(environments: Environments, name: str) -> Environment:
    """Switch to the one that was current before, or to the one of that name if it is not "".

    Raises `EngineSetupError`, as where it works no more.
    """
    with environments.changing(), _ended_in_order():
        name = name or environments.previous()
        if not name:
            raise EngineSetupError(
                "there is no previous environment; servectl engine list shows which there are"
            )
        found = _one(environments, name)
        if found.problem:
            raise EngineSetupError(f"{name}: {found.problem}")
        engine_building.prove(Path(found.path))
        environments.switch(name)
        return _one(environments, name)


def remove(environments: Environments, names: tuple[str, ...]) -> list[str]:
    """Take these away, or all but the current and the previous one; returns which.

    Raises `EngineSetupError` where one has to stay, with all of them still there.
    """
    with environments.changing(), _ended_in_order():
        chosen = [_one(environments, each) for each in names] or [
            each for each in environments.all() if not (each.is_current or each.is_previous)
        ]
        for each in chosen:
            _demand_unused(each)
        for each in chosen:
            environments.remove(each.name)
        return [each.name for each in chosen]


def _one(environments: Environments, name: str) -> Environment:
    found = environments.find(name)
    if found is None:
        known = ", ".join(each.name for each in environments.all()) or "none"
        raise EngineSetupError(f"there is no environment {name}; those that are there: {known}")
    return found


def _demand_unused(environment: Environment) -> None:
    if environment.is_current:
        raise EngineSetupError(f"{environment.name} is the current one: switch to another first")
    if users := users_of(environment):
        pids = ", ".join(map(str, users))
        raise EngineSetupError(
            f"{environment.name} is in use by process {pids}: servectl reload replaces engines"
        )


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Being terminated is like Ctrl-C: what is under way is taken away."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, leave)) for number in numbers]
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        click.echo("interrupted; nothing half done is left", err=True)
        raise
    finally:
        for number, handler in before:
            signal.signal(number, handler)
