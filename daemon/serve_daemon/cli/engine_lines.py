"""Environments for engines, as lines for a terminal and as documents."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from serve_daemon.cli import terminal
from serve_daemon.cli.engine_environments import Environment
from serve_daemon.cli.engine_locks import named, shipped
from serve_daemon.cli.status import size
from serve_daemon.cli.table import Cell, Column, Table

OUTDATED = (
    "this version has locked something else than is current; servectl engine install installs it"
)
COLUMNS = (
    Column("ENVIRONMENT", is_right=False),
    Column("STATE", is_right=False),
    Column("LOCK", is_right=False, rank=2),
    Column("TORCH", is_right=False),
    Column("TRANSFORMERS", is_right=False, rank=3),
    Column("PYTHON", is_right=False, rank=4),
    Column("SIZE", rank=1),
    Column("MADE", is_right=False, rank=5),
)


def document(environment: Environment) -> dict[str, Any]:
    """As --json prints it: what was found out when it was made stands beside the rest."""
    plain: dict[str, Any] = msgspec.to_builtins(environment)
    facts: dict[str, Any] = plain.pop("facts")
    return plain | facts


def listed(environments: Sequence[Environment], package: Path) -> Iterator[str]:
    """One a line; below, why one can't be used, and whether `package` locks other versions now."""
    if not environments:
        yield "no environment is installed; servectl engine install makes one"
        return
    rows = [_row(each) for each in environments]
    table = Table(COLUMNS, rows, terminal.width())
    yield table.head()
    for each, row in zip(environments, rows, strict=True):
        yield table.line(row)
        if each.problem:
            yield f"  {each.problem}; servectl engine install makes it anew"
    if any(each.is_current and _is_outdated(each, package) for each in environments):
        yield OUTDATED


def _is_outdated(environment: Environment, package: Path) -> bool:
    lock = environment.facts.lock
    return lock in shipped() and named(lock).key(package) != environment.name


def summary(current: Environment, *, is_new: bool) -> Iterator[str]:
    """What is current now, or was already."""
    versions = ", ".join(f"{name} {version}" for name, version in current.facts.versions.items())
    devices = ", ".join(f"{each.name} ({each.kind})" for each in current.facts.devices)
    yield f"{current.name} is {'now current' if is_new else 'current already'}"
    yield f"packages: {versions}"
    yield f"devices: {devices}"


def _row(environment: Environment) -> tuple[Cell, ...]:
    facts, absent = environment.facts, "-"
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(facts.made))
    return (
        Cell(environment.name, is_bold=environment.is_current),
        _state(environment),
        Cell(facts.lock),
        *(Cell(facts.versions.get(name, absent)) for name in ("torch", "transformers", "python")),
        Cell(size(facts.bytes)),
        Cell(made, is_dim=True),
    )


def _state(environment: Environment) -> Cell:
    if environment.problem:
        return Cell("broken", "red")
    if environment.is_current:
        return Cell("current", "green")
    return Cell("previous" if environment.is_previous else "kept", is_dim=True)
