"""The command `servectl pull`: the weights of a model brought here before they are needed."""

import json

import click

from serve_daemon.cli.arguments import complete_model, json_option
from serve_daemon.cli.connection import connected
from serve_daemon.cli.progress import Bar


@click.command()
@click.argument("source", metavar="SOURCE|MODEL", shell_complete=complete_model)
@json_option
def pull(source: str, *, as_json: bool) -> None:
    """Download a source of the Hub, or that of MODEL, into the cache that engines use.

    The daemon does it, as the cache is its own. What has arrived stays where it is interrupted.
    """
    path = None
    with connected() as client:
        bar = Bar(source)
        try:
            for reply in client.stream("Pull", source=source):
                told = reply["download"]
                path = told["path"]
                if as_json:
                    click.echo(json.dumps(told))
                elif path is None:
                    bar.tell(told["done"], told["total"])
        except KeyboardInterrupt:
            bar.end()
            click.echo("interrupted; the next pull goes on from what has arrived", err=True)
            raise
        finally:
            bar.end()
    if path is not None and not as_json:
        click.echo(path)


COMMANDS = (pull,)
