"""The commands of servectl that are about the keys of clients. They need no daemon."""

import click

from serve_daemon.cli.arguments import show


@click.group()
def key() -> None:
    """Make keys for clients of the API."""


@key.command()
@click.argument("name")
def new(name: str) -> None:
    """Print a new key, which is kept nowhere, and the lines of the file that let in who has it."""
    from serve_daemon.config.api_keys import hash_of, new_key
    from serve_daemon.config.problems import dotted
    from serve_daemon.config.values import name_of

    try:
        table = dotted(("keys", name_of(name)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    secret = new_key()
    show([secret, "", f"[{table}]", f'hash = "{hash_of(secret)}"'])


COMMANDS = (key,)
