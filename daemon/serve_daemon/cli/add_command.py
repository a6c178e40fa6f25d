"""The command `servectl add`."""

import json
from typing import Any

import click

from serve_daemon.cli.config_commands import changing_options


@click.command()
@click.argument("source")
@click.option("--name", default="", help="What clients call it. Default: made of SOURCE.")
@click.option("--profile", default="", help="The profile that it names.")
@click.option(
    "--set", "keys", multiple=True, metavar="KEY=VALUE", help="A key of its table; may be repeated."
)
@click.option("--no-probe", is_flag=True, help="Do not look at the model.")
@click.option("-y", "--yes", is_flag=True, help="Write without asking.")
@changing_options
def add(
    source: str,
    keys: tuple[str, ...],
    *,
    no_probe: bool,
    yes: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Look at the model that SOURCE names, add it to the daemon's file, and wait until it is ready.

    SOURCE is a directory, a .gguf file, ORG/NAME of the Hub or python:PACKAGE/FILE. What it is, the
    table and what that takes of memory are shown first.
    """
    from msgspec import to_builtins

    from serve_daemon.cli import adding, one_key

    name, profile = given.pop("name"), given.pop("profile")
    wish = adding.Wish(
        source=source,
        name=name,
        profile=profile,
        keys=keys,
        has_probe=not no_probe,
        is_sure=yes,
    )
    options = one_key.Options(**given)
    added = adding.add(wish, options, is_quiet=as_json)
    if as_json:
        click.echo(json.dumps(to_builtins(added), indent=2))
    elif not options.dry_run:
        one_key.report(added.done, as_json=False)


COMMANDS = (add,)
