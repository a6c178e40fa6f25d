"""servectl: the command that controls a running serve-daemon."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

import serve_daemon
from serve_daemon.cli import lines, status
from serve_daemon.cli.connection import Commands, call, connected, name_file
from serve_daemon.control.client import ControlError, Unreachable
from serve_daemon.wire.lines import record_line

LOG_LEVELS = ("debug", "info", "warning", "error")
ARGUMENT_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def complete_model(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of models that begin so; none where no daemon answers."""
    with context.scope(), contextlib.suppress(Unreachable, ControlError):
        models = call("Status")["models"]
        names = [model["name"] for model in models if model["name"].startswith(incomplete)]
        return [CompletionItem(name) for name in names]
    return []


model_argument = click.argument("model", shell_complete=complete_model)
any_model_argument = click.argument("model", required=False, shell_complete=complete_model)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
no_block_option = click.option(
    "--no-block", is_flag=True, help="Return when the operation has begun, not when it has ended."
)
follow_option = click.option("-f", "--follow", is_flag=True, help="Go on with what is new.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="SERVECTL_SOCKET",
    help="The daemon's control socket. Default: $SERVECTL_SOCKET, else control.sock in the"
    " runtime directory.",
)
@click.version_option(serve_daemon.__version__, prog_name="servectl")
def main(socket: Path | None) -> None:
    """Control a running serve-daemon.

    Exit status: 0 done, 1 the operation failed, 2 wrong usage, 3 no daemon answers, 4 the
    configuration is refused.
    """


@main.command("status")
@any_model_argument
@json_option
def show_status(model: str | None, *, as_json: bool) -> None:
    """Show the daemon, its gateway and its models, or one MODEL at length."""
    document = call("Status", **({"model": model} if model else {}))
    if as_json:
        click.echo(json.dumps(document, indent=2))
    elif model:
        _print(status.detail(document["models"][0], time.time()))
    else:
        _print(status.overview(document, time.time()))


@main.command()
@click.argument("file", required=False, type=ARGUMENT_FILE)
@click.option("--no-probe", is_flag=True, help="Do not check against what this machine can do.")
def check(file: Path | None, *, no_probe: bool) -> None:
    """Check the configuration FILE, by default the system's. Needs no daemon."""
    from serve_daemon.cli import checking

    click.echo(checking.check(file, with_probe=not no_probe))


@main.command()
@click.argument("file", required=False, type=ARGUMENT_FILE)
@json_option
def plan(file: Path | None, *, as_json: bool) -> None:
    """Show what a reload would do, now or with FILE in place of the daemon's file."""
    given = {"text": file.read_text("utf-8")} if file else {}
    try:
        changes = call("Plan", **given)["changes"]
    except ControlError as error:
        name_file(error, file)
        raise
    _print([json.dumps(changes, indent=2)] if as_json else lines.changes_lines(changes))


@main.command()
@no_block_option
def reload(*, no_block: bool) -> None:
    """Read the configuration again and carry out what has changed."""
    _print(lines.changes_lines(call("Reload", wait=not no_block)["changes"]))


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
def apply(file: str, *, dry_run: bool) -> None:
    """Put FILE, - for standard input, in place of the daemon's file and carry it out.

    Where that is refused or fails, the daemon's file is as it was before.
    """
    from serve_daemon.cli import changing

    _print(lines.changes_lines(changing.apply(file, is_dry=dry_run)))


@main.command()
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
        _print(lines.entry_lines(entry) if entry else lines.history_lines(**kept))


@main.command()
@click.argument("number", required=False, type=click.IntRange(min=1))
def rollback(number: int | None) -> None:
    """Give the files back what they held in the configuration of that NUMBER, and carry it out.

    Without a NUMBER: in the last one that worked and differs from the files as they are.
    """
    from serve_daemon.cli import changing

    _print(lines.changes_lines(changing.roll_back(number)))


@main.command()
@model_argument
@no_block_option
def start(model: str, *, no_block: bool) -> None:
    """Start MODEL after a stop or a failure, and wait until it is ready."""
    call("Start", model=model, wait=not no_block)


@main.command()
@model_argument
@no_block_option
def stop(model: str, *, no_block: bool) -> None:
    """Drain MODEL and hold it stopped until it is started again."""
    call("Stop", model=model, wait=not no_block)


@main.command()
@model_argument
@no_block_option
def restart(model: str, *, no_block: bool) -> None:
    """Replace MODEL's engine; the new one is ready before the old one drains."""
    call("Restart", model=model, wait=not no_block)


@main.command()
@any_model_argument
@follow_option
@click.option(
    "-n",
    "--lines",
    "count",
    default=50,
    show_default=True,
    type=click.IntRange(min=0),
    help="How many of the past records.",
)
@json_option
def logs(model: str | None, *, follow: bool, count: int, as_json: bool) -> None:
    """Show the last log records, of all or of MODEL."""
    of_model = {"model": model} if model else {}
    with _stream("Logs", "record", lines=count, follow=follow, **of_model) as records:
        _print(map(json.dumps if as_json else record_line, records))


@main.command()
@follow_option
@click.option(
    "--since",
    metavar="NUMBER",
    type=click.IntRange(min=0),
    help="Begin with the event of this number. Default: the first that is kept, with -f the next.",
)
@json_option
def events(*, follow: bool, since: int | None, as_json: bool) -> None:
    """Show what has happened to the daemon and its models."""
    first = since if since is not None else int(not follow)
    with _stream("Events", "event", since=first, follow=follow) as happened:
        _print(map(json.dumps if as_json else lines.event_line, happened))


@main.command("log-level")
@click.argument("level", type=click.Choice(LOG_LEVELS))
def log_level(level: str) -> None:
    """Write log records of LEVEL and above, until the next restart or change of the file."""
    call("SetLogLevel", level=level)


@main.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.option("--file", type=ARGUMENT_FILE, help="Of this file, without a daemon.")
def show(file: Path | None) -> None:
    """Print the effective configuration, every key with its value, as TOML."""
    import tomli_w

    if file is None:
        click.echo(tomli_w.dumps(call("GetConfig")["config"]), nl=False)
        return
    from serve_daemon.cli import checking

    click.echo(tomli_w.dumps(checking.effective_of(file)), nl=False)


@contextlib.contextmanager
def _stream(method: str, item: str, **parameters: Any) -> Iterator[Iterator[dict[str, Any]]]:
    """What a streaming method gives, one item of a reply after the other."""
    with connected() as client:
        yield (reply[item] for reply in client.stream(method, **parameters))


def _print(shown: Iterable[str]) -> None:
    for line in shown:
        click.echo(line)


@main.command()
@no_block_option
def shutdown(*, no_block: bool) -> None:
    """Drain everything and end the daemon; returns when it has ended."""
    with connected() as client:
        client.call("Shutdown")
        if not no_block:
            client.wait_for_exit()
