"""The commands of servectl that are about the configuration: judge it, change it, take it back."""

import json
from pathlib import Path
from typing import Any

import click

from serve_daemon.cli import lines
from serve_daemon.cli.arguments import ARGUMENT_FILE, json_option, no_block_option, show
from serve_daemon.cli.connection import call, name_file
from serve_daemon.control.client import ControlError


@click.command()
@click.argument("file", required=False, type=ARGUMENT_FILE)
@click.option("--no-probe", is_flag=True, help="Do not check against what this machine can do.")
def check(file: Path | None, *, no_probe: bool) -> None:
    """Check the configuration FILE, by default the system's. Needs no daemon."""
    from serve_daemon.cli import checking

    click.echo(checking.check(file, with_probe=not no_probe))


@click.command()
@click.argument("file", required=False, type=ARGUMENT_FILE)
@json_option
def plan(file: Path | None, *, as_json: bool) -> None:
    """Show what a reload would do, now or with FILE in place of the daemon's file."""
    changes = _of_file("Plan", file)["changes"]
    show([json.dumps(changes, indent=2)] if as_json else lines.changes_lines(changes))


@click.command()
@click.argument("file", required=False, type=ARGUMENT_FILE)
def diff(file: Path | None) -> None:
    """Show which values a reload would change, now or with FILE in place of the daemon's file.

    Of the effective configuration, profiles and defaults applied.
    """
    from serve_daemon.cli.difference import difference

    show(difference(call("GetConfig")["config"], _of_file("GetPendingConfig", file)["config"]))


@click.command()
@no_block_option
def reload(*, no_block: bool) -> None:
    """Read the configuration again and carry out what has changed."""
    show(lines.changes_lines(call("Reload", wait=not no_block)["changes"]))


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def apply(file: str, *, dry_run: bool) -> None:
    """Put FILE, - for standard input, in place of the daemon's file and carry it out.

    Where that is refused or fails, the daemon's file is as it was before.
    """
    from serve_daemon.cli import changing

    show(lines.changes_lines(changing.apply(file, is_dry=dry_run)))


@click.command()
@click.argument("number", required=False, type=click.IntRange(min=1))
@json_option
def history(number: int | None, *, as_json: bool) -> None:
    """List the configurations that worked, or show the files of the one of that NUMBER."""
    from serve_daemon.cli import changing

    kept = call("History")
    entry = changing.entry_of(kept, number) if number else None
    if as_json:
        click.echo(json.dumps(entry or kept, indent=2))
    else:
        show(lines.entry_lines(entry) if entry else lines.history_lines(**kept))


@click.command()
@click.argument("number", required=False, type=click.IntRange(min=1))
def rollback(number: int | None) -> None:
    """Give the files back what they held in the configuration of that NUMBER, and carry it out.

    Without a NUMBER: in the last one that worked and differs from the files as they are.
    """
    from serve_daemon.cli import changing

    show(lines.changes_lines(changing.roll_back(number)))


def _of_file(method: str, file: Path | None) -> dict[str, Any]:
    """What the daemon answers, with the text of a file in place of its own if one is named."""
    given = {"text": file.read_text("utf-8")} if file else {}
    try:
        return call(method, **given)
    except ControlError as error:
        name_file(error, file)
        raise


COMMANDS = (check, plan, diff, reload, apply, history, rollback)
