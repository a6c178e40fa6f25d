"""What our two programs take, as click knows it."""

from collections.abc import Iterator

import click
from click.shell_completion import ShellComplete

from serve_daemon.cli import daemon, servectl

PROGRAMS: dict[str, click.Command] = {"servectl": servectl.main, "serve-daemon": daemon.main}


def _every(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from _every(command, f"{prefix}{name} ")


assert isinstance(servectl.main, click.Group)
GROUPS = {name: each for name, each in _every(servectl.main) if isinstance(each, click.Group)}
# By what one types after servectl: "config get".
COMMANDS = {name: each for name, each in _every(servectl.main) if name not in GROUPS}


def options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


def arguments(command: click.Command) -> list[click.Argument]:
    return [each for each in command.params if isinstance(each, click.Argument)]


def names(command: click.Command) -> set[str]:
    """Of all its options."""
    return {name for each in options(command) for name in each.opts}


def of_program(command: click.Command) -> set[str]:
    """Also those that click adds."""
    return names(command) | {"--help", "-h"}


def offered(program: str, words: list[str], incomplete: str) -> set[str]:
    """What a shell is told, that asks as the files in packaging do."""
    complete = ShellComplete(PROGRAMS[program], {}, program, "_COMPLETE")
    return {str(item.value) for item in complete.get_completions(words, incomplete)}
