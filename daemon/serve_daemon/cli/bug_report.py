"""The command `servectl bug-report`."""

import json
import time
from pathlib import Path

import click

from serve_daemon.cli.arguments import json_option
from serve_daemon.cli.connection import EXIT_FAILED, fail


@click.command("bug-report")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write FILE, which may not be there yet. Default: serve-daemon-report-TIME.tar.gz here.",
)
@json_option
def bug_report(output: Path | None, *, as_json: bool) -> None:
    """Collect what is needed to understand a fault into one archive, without keys and prompts.

    Where no daemon answers, the archive has what can be had without it.
    """
    from serve_daemon.cli import bundle

    file = output or Path(time.strftime("serve-daemon-report-%Y%m%d-%H%M%S.tar.gz"))
    about = bundle.facts()
    contents = bundle.parts(about)
    try:
        bundle.write(file, contents)
    except FileExistsError:
        fail(f"{file} is there already; name another one with -o", EXIT_FAILED)
    except OSError as error:
        fail(f"{file}: can't be written: {error.strerror}", EXIT_FAILED)
    if as_json:
        listed = [{"name": each.name, "about": each.about} for each in contents]
        click.echo(json.dumps({"file": str(file), "contents": listed}, indent=2))
        return
    if about.why_not:
        click.echo(f"{click.style('note', fg='yellow')}: {about.why_not}", err=True)
    for each in contents:
        click.echo(f"  {each.name:<22}{each.about}")
    click.echo(
        f"{file}: {len(contents)} files, readable by you alone; look through it, then send it"
    )


COMMANDS = (bug_report,)
