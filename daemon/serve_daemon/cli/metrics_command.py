"""servectl metrics: what is counted, as Prometheus reads it."""

import click

from serve_daemon.cli.connection import call


@click.command()
def metrics() -> None:
    """Print the page of metrics, as Prometheus reads it."""
    click.echo(call("Metrics")["text"], nl=False)


COMMANDS = (metrics,)
