"""The commands of servectl that look at a daemon: its state, its log, its events."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import click

from serve_daemon.cli import lines, status, terminal
from serve_daemon.cli.arguments import any_model_argument, json_option, show
from serve_daemon.cli.connection import call, connected
from serve_daemon.cli.detail import detail
from serve_daemon.cli.filters import LEVELS, Filter, Moment
from serve_daemon.wire.lines import record_line

KEPT_LOG_RECORDS = 200  # by the daemon, of each model
SHOWN_LOG_RECORDS = 50
LOOKED_AT_LOG_RECORDS = 2000  # as many as the daemon keeps

follow_option = click.option("-f", "--follow", is_flag=True, help="Go on with what is new.")


@click.command("status")
@any_model_argument
@click.option(
    "-n",
    "--lines",
    "count",
    default=10,
    show_default=True,
    type=click.IntRange(min=0, max=KEPT_LOG_RECORDS),
    help="How many of the last log records of MODEL; with --json, of each model.",
)
@json_option
def show_status(model: str | None, *, count: int, as_json: bool) -> None:
    """Show the daemon, its gateway and its models, or one MODEL at length."""
    of_model = {"model": model} if model else {}
    document = call("Status", lines=count if model or as_json else 0, **of_model)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    elif model:
        show(detail(document["models"][0], time.time()))
    else:
        show(status.overview(document, time.time(), terminal.width()))


@click.command()
@any_model_argument
@follow_option
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(min=0),
    help="How many of the past records are looked at. Default: 50, with a filter all.",
)
@click.option("--level", type=click.Choice(LEVELS), help="Only records of this level and above.")
@click.option("--request", metavar="ID", help="Only those of the request with this X-Request-Id.")
@click.option("--since", type=Moment(), help="Only those since then: 10min, 2h, a date and time.")
@json_option
def logs(
    model: str | None, *, follow: bool, count: int | None, as_json: bool, **filters: Any
) -> None:
    """Show the last log records, of all or of MODEL."""
    wanted = Filter(**filters)
    if count is None:
        count = SHOWN_LOG_RECORDS if wanted.lets_all_pass else LOOKED_AT_LOG_RECORDS
    of_model = {"model": model} if model else {}
    with _stream("Logs", "record", lines=count, follow=follow, **of_model) as records:
        show(map(json.dumps if as_json else record_line, filter(wanted.takes, records)))


@click.command()
@any_model_argument
@follow_option
@click.option(
    "--since",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    help="Begin with the event of this number. Default: the first that is kept, with -f the next.",
)
@json_option
def events(model: str | None, *, follow: bool, since: int | None, as_json: bool) -> None:
    """Show what has happened to the daemon and its models, or to MODEL."""
    first = since if since is not None else int(not follow)
    # by its name, which events have, should an alias be given
    name = call("Status", model=model)["models"][0]["name"] if model else ""
    with _stream("Events", "event", since=first, follow=follow) as happened:
        shown = (each for each in happened if not name or each["model"] == name)
        show(map(json.dumps if as_json else lines.event_line, shown))


@contextlib.contextmanager
def _stream(method: str, item: str, **parameters: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """What a streaming method gives, one item of a reply after the other."""
    with connected() as client:
        yield (reply[item] for reply in client.stream(method, **parameters))


COMMANDS = (show_status, logs, events)
