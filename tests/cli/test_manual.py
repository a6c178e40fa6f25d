"""The manual pages: complete, and clean."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from serve_daemon.cli import daemon, servectl

MAN = Path(__file__).resolve().parents[2] / "man"
PAGES = ["servectl.1", "serve-daemon.8", "serve-daemon-api.7"]


def every_command(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{prefix}{name} ")


COMMANDS = dict(every_command(servectl.main))


def options(command: click.Command) -> set[str]:
    return {name for each in command.params if isinstance(each, click.Option) for name in each.opts}


def described(page: str) -> str:
    return (MAN / f"{page}.scd").read_text("utf-8")


@pytest.mark.parametrize(
    "name", [name for name, each in COMMANDS.items() if not isinstance(each, click.Group)]
)
def test_a_command_is_in_the_manual_with_its_options(name: str) -> None:
    """Its synopsis begins a paragraph, and each of its options has one."""
    text = described("servectl.1")
    assert f"\n*{name}*" in text
    missing = [option for option in options(COMMANDS[name]) if f"*{option}*" not in text]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "command"), [("servectl.1", servectl.main), ("serve-daemon.8", daemon.main)]
)
def test_an_option_of_a_program_is_in_its_manual(page: str, command: click.Command) -> None:
    """Also those that click adds."""
    text = described(page)
    for option in options(command) | {"--help", "-h", "--version"}:
        assert f"*{option}*" in text


def test_no_command_is_in_the_manual_that_is_not_there() -> None:
    """What was taken away is not promised any more."""
    section = described("servectl.1").partition("# COMMANDS")[2].partition("\n# ")[0]
    shown = {line.split("*")[1] for line in section.splitlines() if line.startswith("*")}
    assert shown == {name for name, each in COMMANDS.items() if not isinstance(each, click.Group)}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.skipif(
    not (shutil.which("scdoc") and shutil.which("mandoc")),
    reason="scdoc and mandoc are not installed",
)
def test_a_page_is_clean(page: str, tmp_path: Path) -> None:
    """The page compiles without a warning, and mandoc finds no fault in the result."""
    made = subprocess.run(
        ["scdoc"], check=False, input=described(page), capture_output=True, text=True
    )
    assert (made.returncode, made.stderr) == (0, "")
    (tmp_path / page).write_text(made.stdout)
    linted = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "error", str(tmp_path / page)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")
