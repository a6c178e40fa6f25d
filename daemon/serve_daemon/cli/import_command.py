"""The command `servectl import`: how another server was run, as a configuration."""

import json
from pathlib import Path

import click

from serve_daemon.cli.arguments import json_option
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_REFUSED, fail


@click.command("import")
@click.option(
    "--from-transformers-serve",
    "line",
    metavar="FLAGS",
    required=True,
    help="The command line of `transformers serve`, in quotes, with or without its name.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write FILE, which may not be there yet, in place of printing.",
    metavar="FILE",
)
@json_option
def import_flags(line: str, output: Path | None, *, as_json: bool) -> None:
    """Print the configuration that does what a command line of another server does.

    Flags without an equivalent are named, each with the reason. Needs no daemon.
    """
    from serve_daemon.cli.importing import translated

    found = translated(line, Path.cwd())
    if output is not None:
        _write(output, found.toml)
        for note in found.notes:
            click.echo(f"{note.flag} {note.why}", err=True)
    if as_json:
        notes = [{"flag": note.flag, "why": note.why} for note in found.notes]
        click.echo(json.dumps({"toml": found.toml, "notes": notes}, indent=2))
    elif output is None:
        click.echo(found.toml, nl=False)
    if found.problems:
        fail(f"to be changed before it can be used:\n{found.problems}", EXIT_REFUSED)


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as made:
            made.write(text)
    except FileExistsError:
        fail(f"{file} is there already; write another file, or remove it", EXIT_FAILED)
    except OSError as error:
        fail(f"{file}: can't be written: {error.strerror}", EXIT_FAILED)


COMMANDS = (import_flags,)
