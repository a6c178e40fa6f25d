"""What the manual pages show to be copied: files load, command lines are understood, and done.

Those that ask a daemon are run in tests/integration.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli
from click.testing import CliRunner, Result
from jsonschema import Draft7Validator

import source
from documents import pages
from documents.pages import Kind
from documents.programs import COMMANDS, PROGRAMS
from serve_daemon.config.json_schema import json_schema
from serve_daemon.config.load import Sources, load
from serve_daemon.supervisor.states import STEPS

EXAMPLES = [(page, kind, block) for page in pages.PAGES for kind, block in pages.examples(page)]
OTHERS = {
    *("curl", "echo", "eval", "journalctl", "ln", "mkdir", "source", "systemctl", "systemd-cgls"),
}  # programs whose options are not ours to check
WITHOUT_DAEMON = ("config schema", "import", "key new")  # what these do takes no second

Run = Callable[[list[str]], Result]


def of_kind(kind: Kind) -> list[Any]:
    """As parameters of a test, called after their pages."""
    found = [(page, block) for page, each, block in EXAMPLES if each is kind]
    return [
        pytest.param(block, id=f"{page}-{number}") for number, (page, block) in enumerate(found)
    ]


def needs_no_daemon(words: list[str]) -> bool:
    return "--check" in words or " ".join(words[1:]).startswith(WITHOUT_DAEMON)


def of_ours(chosen: Callable[[list[str]], bool] = bool) -> list[Any]:
    """Each command line of our own programs that is chosen."""
    shown = [
        (page, words)
        for page, kind, block in EXAMPLES
        for words in (pages.commands(block) if kind is Kind.SHELL else ())
        if words[0] in PROGRAMS and words != ["servectl"] and chosen(words)
    ]
    return [pytest.param(words, id=f"{page} {' '.join(words)}") for page, words in shown]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command line where the files that it names are."""
    monkeypatch.chdir(tmp_path)

    def run(words: list[str]) -> Result:
        installed = str(source.ROOT / "etc" / "serve.toml")
        words = [word.replace("/etc/serve.toml", installed) for word in words]
        for name in (word for word in words if re.fullmatch(r"\w+\.toml", word)):
            Path(name).write_text("[models.small]\nsource = '/srv/models/small.gguf'\n")
        return CliRunner().invoke(PROGRAMS[words[0]], words[1:])

    return run


@pytest.mark.parametrize("block", of_kind(Kind.TOML))
def test_a_file_loads(block: str) -> None:
    """Each is a configuration by itself."""
    assert load(Sources(text=block)).models


def in_markdown() -> list[Any]:
    """What the documents beside the manual show of files."""
    return [
        pytest.param(block, id=f"{name}-{number}")
        for name, text in source.tracked_texts().items()
        if name.endswith(".md")
        for number, block in enumerate(re.findall(r"(?ms)^```toml\n(.*?)^```", text))
    ]


@pytest.mark.parametrize("block", in_markdown())
def test_a_part_of_a_file_fits_the_schema(block: str) -> None:
    """It need not be whole."""
    errors = Draft7Validator(json_schema()).iter_errors(tomli.loads(block))
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("block", of_kind(Kind.SHELL))
def test_shells_read_an_example(block: str) -> None:
    """It runs programs that are known here, so that nothing passes unseen."""
    ran = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {words[0] for words in pages.commands(block)} <= {*PROGRAMS, *OTHERS}


@pytest.mark.parametrize("words", of_ours())
def test_a_command_line_is_understood(
    words: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command, its options and its arguments exist; what it would do is left out."""
    for command in (*COMMANDS.values(), PROGRAMS["serve-daemon"]):
        monkeypatch.setattr(command, "callback", lambda **_: None)
    ran = run(words)
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("words", of_ours(needs_no_daemon))
def test_a_command_line_without_a_daemon_does_what_it_says(words: list[str], run: Run) -> None:
    """Those that are quick."""
    ran = run(words)
    assert ran.exit_code == 0, ran.output


def test_the_steps_between_states_are_those_of_the_supervisor() -> None:
    """In serve-daemon-architecture(7), each once; and serve-daemon(8) says what each state is."""
    section = pages.sections("serve-daemon-architecture.7")["STATES OF A MODEL"]
    told = re.findall(r"\|  (\w+)\n:  (\w+)\n:  \S", section)
    assert sorted(told) == sorted({(old, new) for old, to in STEPS.items() for new in to.values()})
    explained = pages.terms(pages.sections("serve-daemon.8")["STATES OF A MODEL"])
    assert sorted(name for names in explained for name in names) == sorted(STEPS)
