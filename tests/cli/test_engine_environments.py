"""servectl engine list, rollback and remove, and whose the directory has to be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import Result

from cli import wheelhouse as made_by_hand
from serve_daemon.cli import engine_environments, engine_locks
from serve_daemon.cli.connection import EXIT_FAILED
from serve_daemon.cli.engine_environments import FACTS, Environments, Facts
from serve_daemon.config.probe import Device

Servectl = Callable[..., Result]
Engine = Callable[..., Result]

own_code = made_by_hand.own_code


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    """Three of them, the newest of which is current: they run, though nothing is installed."""
    found = Environments(tmp_path / "engine")
    with found.changing():
        for number, name in enumerate(("old", "middle", "new")):
            make(found, name, number)
            found.switch(name)
    return found


@pytest.fixture
def engine(servectl: Servectl, environments: Environments, own_code: Path) -> Engine:
    def run(command: str, *arguments: str) -> Result:
        return servectl("engine", command, *arguments, "--directory", str(environments.directory))

    return run


def make(environments: Environments, name: str, number: int, problem: str = "") -> None:
    """An environment whose Python answers as one with torch."""
    device = Device("cpu", "stub", 1, [])
    facts = Facts(
        lock="cuda",
        made=1_800_000_000.0 + number,
        bytes=2048,
        versions={"torch": f"2.{number}"},
        devices=[device],
    )
    fields = ("devices", "attn_implementations", "engines", "quantization")
    probe = json.dumps({"versions": {}} | {field: [] for field in fields})
    with environments.under_way() as made:
        for folder in ("bin", "lib/python3.11/site-packages/serve_daemon"):
            (made / folder).mkdir(parents=True)
        python = made / "bin/python"
        python.write_text(f"#!/bin/sh\n{problem}\necho '{probe}'\n")
        python.chmod(0o755)
        (made / "lib/python3.11/site-packages/serve_daemon/__init__.py").touch()
        (made / FACTS).write_bytes(msgspec.json.encode(facts))
        environments.place(made, name)


def states(engine: Engine) -> dict[str, str]:
    lines = engine("list").stdout.splitlines()[1:]
    return {words[0]: words[1] for words in map(str.split, lines) if words[0] != "this"}


def test_which_there_are(engine: Engine) -> None:
    """The newest first; for programs with all that was found out."""
    assert states(engine) == {"new": "current", "middle": "previous", "old": "kept"}
    document = json.loads(engine("list", "--json").stdout)
    assert [(each["name"], each["versions"]["torch"]) for each in document] == [
        ("new", "2.2"),
        ("middle", "2.1"),
        ("old", "2.0"),
    ]
    assert [each["is_current"] for each in document] == [True, False, False]


def test_what_an_upgrade_has_locked_since(
    engine: Engine, environments: Environments, own_code: Path
) -> None:
    """Is told where the current one is of a lock that comes with this package."""
    told = "this version has locked something else than is current"
    assert told in engine("list").stdout
    name = engine_locks.named("cuda").key(own_code)
    with environments.changing():
        make(environments, name, 3)
        environments.switch(name)
    assert told not in engine("list").stdout


def test_where_there_is_none(servectl: Servectl, tmp_path: Path) -> None:
    """One is told what makes one."""
    result = servectl("engine", "list", "--directory", str(tmp_path / "engine"))
    assert (result.exit_code, "servectl engine install" in result.stdout) == (0, True)
    result = servectl("engine", "rollback", "--directory", str(tmp_path / "engine"))
    assert (result.exit_code, result.stdout) == (EXIT_FAILED, "")
    assert "there is no previous environment" in result.stderr


def test_back_and_forth(engine: Engine) -> None:
    """A second rollback undoes the first; any other one can be named."""
    assert engine("rollback").stdout.startswith("middle is now current\n")
    assert states(engine) == {"middle": "current", "new": "previous", "old": "kept"}
    assert json.loads(engine("rollback", "--json").stdout)["name"] == "new"
    assert engine("rollback", "old").exit_code == 0
    assert states(engine) == {"old": "current", "new": "previous", "middle": "kept"}
    result = engine("rollback", "none")
    assert (result.exit_code, result.stderr) == (
        EXIT_FAILED,
        "there is no environment none; those that are there: new, middle, old\n",
    )


def test_no_way_back_to_what_does_not_work(engine: Engine, environments: Environments) -> None:
    """The current one stays; one whose interpreter an upgrade took away is shown as broken."""
    with environments.changing():
        make(environments, "middle", 1, "echo no libcuda >&2; exit 1")
    result = engine("rollback")
    assert (result.exit_code, result.stderr) == (
        EXIT_FAILED,
        "no engine works in it:\nno libcuda\n",
    )
    assert environments.current() == "new"
    python = environments.directory / "middle/bin/python"
    python.unlink()
    python.symlink_to("/usr/bin/python2.0")
    assert engine("rollback").stderr == "middle: its Python is gone\n"
    assert states(engine)["middle"] == "broken"


def test_all_but_two_are_removed(engine: Engine, environments: Environments) -> None:
    """The current and the previous one stay, unless the latter is named."""
    assert engine("remove").stdout == "removed old\n"
    assert states(engine) == {"new": "current", "middle": "previous"}
    assert engine("remove", "new").stderr.startswith("new is the current one")
    assert engine("remove", "middle").exit_code == 0
    assert {each.name for each in environments.directory.iterdir()} >= {"new", "current"}
    assert states(engine) == {"new": "current"}


def test_one_that_engines_run_in_stays(engine: Engine, environments: Environments) -> None:
    """They import more of it later."""
    python = environments.directory / "old/bin/python"
    with subprocess.Popen(
        [python, "-c", "input()"], executable=sys.executable, stdin=subprocess.PIPE
    ) as running:
        result = engine("remove", "old", "middle")
        assert f"old is in use by process {running.pid}" in result.stderr
        assert running.stdin is not None
        running.stdin.close()
    assert states(engine).keys() == {"new", "middle", "old"}


def test_a_directory_that_others_can_change_is_refused(
    engine: Engine, environments: Environments
) -> None:
    """What is run as somebody is that user's own."""
    environments.directory.chmod(0o777)
    result = engine("rollback")
    assert (result.exit_code, "others may write to" in result.stderr) == (EXIT_FAILED, True)


def test_a_link_is_no_directory(engine: Engine, environments: Environments) -> None:
    """Who may replace it decides where it leads."""
    there = environments.directory.rename(environments.directory.with_name("there"))
    environments.directory.symlink_to(there)
    assert "is a link: name what it leads to" in engine("rollback").stderr


def test_a_directory_of_somebody_else_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packaged one is root's."""
    uid = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: uid + 1)
    result = engine("rollback")
    assert result.exit_code == EXIT_FAILED
    assert "run this as its owner, or name one by --directory" in result.stderr


def test_the_service_s_directory_is_made_as_systemd_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it root's, systemd would give all of it to the service at the next start."""
    state = tmp_path / "serve-daemon"
    given: list[tuple[Path, int, int]] = []
    module = engine_environments
    monkeypatch.setattr(module, "STATE_DIRECTORY", state)
    monkeypatch.setattr(module, "DIRECTORY", state / "engine")
    user = SimpleNamespace(pw_uid=12345, pw_gid=23456)
    monkeypatch.setattr("pwd.getpwnam", lambda _name: user)
    monkeypatch.setattr("os.chown", lambda *given_to: given.append(given_to))
    module._make_state_directory()
    assert given == [(state, 12345, 23456)]
    assert state.stat().st_mode & 0o777 == 0o750
    module._make_state_directory()
    assert len(given) == 1
