"""Completions: their files are current, and a shell really completes by them."""

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.documents import model, status
from cli.fake_daemon import FakeDaemon
from documents.programs import COMMANDS, arguments, offered
from manual import written
from serve_daemon.config.keys import plain_keys
from serve_daemon.config.problems import dotted
from serve_daemon.config.schema import Config
from serve_daemon.config.tuning import Model

MODEL = "smollm2"
PROMPT = "ready> "

Complete = Callable[[str, str], str]


def takes(name: str, what: str) -> bool:
    """Whether the first argument of a command is one of these."""
    first = arguments(COMMANDS[name])[:1]
    return any(what in (each.metavar or str(each.name).upper()).split("|") for each in first)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    """One with a model, and with all keys in its configuration."""
    fake = FakeDaemon(tmp_path / "control.sock")
    tree = Config(models={MODEL: Model()}).model_dump(mode="json")
    fake.answers = {"Status": [status(model(MODEL))], "GetConfig": [{"config": tree}]}
    with fake.running():
        yield fake


@pytest.fixture
def environment(daemon: FakeDaemon, tmp_path: Path) -> dict[str, str]:
    """With our programs in the path, as installed."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SERVECTL_SOCKET": str(daemon.path),
        "HOME": str(tmp_path),
        "TERM": "dumb",
    }


def test_the_files_are_up_to_date() -> None:
    """`make manual` writes them."""
    files = {path: text for path, text in written.written() if path.parent == written.COMPLETIONS}
    assert len(files) == len(written.PROGRAMS) * len(written.NAMES)
    assert {path: path.read_text("utf-8") for path in files} == files
    assert set(written.COMPLETIONS.iterdir()) == set(files)


# Starts an interactive shell without anybody's settings; and reads the completions, so that
# all that is possible is shown at once.
SHELLS = {
    "bash": (
        ["bash", "--noprofile", "--norc", "-i"],
        "bind 'set show-all-if-ambiguous on'; source {}",
    ),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; source {}"),
}


@pytest.fixture
def typed(environment: dict[str, str]) -> Complete:
    """Types a line and the tabulator into a shell at a terminal; what there is then."""

    def type_in(shell: str, line: str) -> str:
        command, reading = SHELLS[shell]
        reading = reading.format(written.completion_file("servectl", shell))
        own, others = pty.openpty()
        with subprocess.Popen(
            command,
            stdin=others,
            stdout=others,
            stderr=others,
            env=environment | {"PS1": PROMPT},
            start_new_session=True,
        ) as process:
            os.close(others)
            try:
                _read(own, PROMPT)
                _write(own, f"{reading}; echo lo''aded\n")
                _read(own, f"loaded\r\n.*{PROMPT}")
                # What stands there then is taken back: it is not to do anything.
                _write(own, f"{line}\t\x15echo do''ne\n")
                return _read(own, "done\r\n")
            finally:
                process.kill()
                os.close(own)

    return type_in


def _write(terminal: int, text: str) -> None:
    os.write(terminal, text.encode())


def _read(terminal: int, until: str) -> str:
    """All that comes, to the first place where the expression fits."""
    text = ""
    while not re.search(until, text, re.DOTALL):
        text += os.read(terminal, 65536).decode()
    return text


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("servectl sta", {"start", "status"}),
        ("servectl restart ", {MODEL}),
        ("servectl config g", {"get"}),
        ("servectl config get server.l", {"server.listen"}),
        ("servectl logs --fo", {"--follow"}),
    ],
)
def test_bash_completes(line: str, offered: set[str], typed: Complete) -> None:
    """Commands, models and keys of the daemon that runs, options."""
    shown = typed("bash", line)
    assert offered <= set(shown.replace(PROMPT, " ").split()), shown


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes(typed: Complete) -> None:
    """As bash does."""
    shown = typed("zsh", "servectl sta")
    assert {"start", "status"} <= set(shown.replace(PROMPT, " ").split()), shown


def completed_by_fish(line: str, environment: dict[str, str]) -> set[str]:
    """What fish offers, without a terminal."""
    file = written.completion_file("servectl", "fish")
    ran = subprocess.run(
        ["fish", "--no-config", "--command", f"source {file}; complete --do-complete '{line}'"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return {each.split("\t")[0] for each in ran.stdout.splitlines()}


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes(environment: dict[str, str]) -> None:
    """As bash does."""
    assert completed_by_fish("servectl sta", environment) == {"start", "status"}
    assert completed_by_fish("servectl restart ", environment) == {MODEL}


def test_every_key_of_the_running_daemon_is_offered(
    environment: dict[str, str], daemon: FakeDaemon
) -> None:
    """To `servectl config get` and its like; from no file, so models have their own names."""
    asked = {"_SERVECTL_COMPLETE": "bash_complete", "COMP_WORDS": "servectl config get "}
    ran = subprocess.run(
        ["servectl"],
        env=environment | asked | {"COMP_CWORD": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    offered = {line.partition(",")[2] for line in ran.stdout.splitlines()}
    of_model = {dotted(("models", MODEL, key)) for key in Model.model_fields}
    assert offered == {dotted(path) for path in plain_keys()} | of_model
    assert [method for method, _ in daemon.calls] == ["GetConfig"]


@pytest.mark.parametrize("name", [name for name in COMMANDS if takes(name, "MODEL")])
def test_models_are_offered_wherever_one_is_named(
    name: str, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the running daemon."""
    monkeypatch.setenv("SERVECTL_SOCKET", str(daemon.path))
    assert MODEL in offered("servectl", name.split(), MODEL[:2])


@pytest.mark.parametrize("name", [name for name in COMMANDS if takes(name, "KEY")])
def test_keys_are_offered_wherever_one_is_named(
    name: str, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are written in TOML."""
    monkeypatch.setenv("SERVECTL_SOCKET", str(daemon.path))
    assert offered("servectl", name.split(), "log.l") == {"log.level"}
