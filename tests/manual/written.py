"""The files of packaging that are made from the code: completions of shells, the JSON Schema."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from serve_daemon.cli import daemon, servectl
from serve_daemon.config.json_schema import json_schema

PACKAGING = Path(__file__).parents[2] / "packaging"
SCHEMA = PACKAGING / "schema" / "serve.schema.json"
COMPLETIONS = PACKAGING / "completions"

PROGRAMS: dict[str, click.Command] = {"servectl": servectl.main, "serve-daemon": daemon.main}
NAMES = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}


def written() -> Iterator[tuple[Path, str]]:
    """Each file, and what should be in it."""
    yield SCHEMA, f"{json.dumps(json_schema(), indent=2)}\n"
    for program in PROGRAMS:
        for shell in NAMES:
            yield completion_file(program, shell), completion(program, shell)


def completion_file(program: str, shell: str) -> Path:
    return COMPLETIONS / NAMES[shell].format(program)


def completion(program: str, shell: str) -> str:
    """What click has a shell read, to ask the program itself at each completion."""
    made = get_completion_class(shell)
    assert made is not None
    variable = f"_{program.upper().replace('-', '_')}_COMPLETE"
    complete = made(PROGRAMS[program], {}, program, variable)
    return f"{(complete.source_template % complete.source_vars()).strip()}\n"


def main() -> None:
    for path, text in written():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
