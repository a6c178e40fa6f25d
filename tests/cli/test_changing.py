"""Apply, history and rollback, against a daemon's answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.documents import change, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli.connection import EXIT_FAILED, EXIT_REFUSED
from serve_daemon.control.protocol import CONFIG_REFUSED, RELOAD_FAILED, ControlError

Servectl = Callable[..., Result]


@pytest.fixture
def main_file(tmp_path: Path, daemon: FakeDaemon) -> Path:
    """The file of a daemon to which any reload is welcome."""
    file = tmp_path / "serve.toml"
    file.write_text("# now\n")
    document = status()
    document["daemon"]["config"] = str(file)
    daemon.answers |= {"Status": [document], "Plan": [{"changes": [change()]}]}
    daemon.answers["Reload"] = [{"changes": [change(outcome="done")]}]
    return file


def entry(number: int, main: Path, text: str, **files: str) -> dict[str, Any]:
    texts = {str(main): text} | files
    return {"number": number, "time": 0.0, "trigger": "t", "changes": ["c"], "files": texts}


def asked(daemon: FakeDaemon) -> list[str]:
    return [method for method, _ in daemon.calls]


def test_apply_replaces_the_file_and_reloads(
    servectl: Servectl, daemon: FakeDaemon, main_file: Path
) -> None:
    """Standard input is a file, too."""
    result = servectl("apply", "-", input="# new\n")
    assert result.exit_code == 0
    assert "done" in result.output
    assert main_file.read_text() == "# new\n"
    assert ("Plan", {"text": "# new\n"}) in daemon.calls


def test_a_dry_run_changes_nothing(servectl: Servectl, daemon: FakeDaemon, main_file: Path) -> None:
    """What would change is shown."""
    result = servectl("apply", "-", "--dry-run", input="# new\n")
    assert "replace" in result.output
    assert main_file.read_text() == "# now\n"
    assert "Reload" not in asked(daemon)


def test_what_is_refused_is_not_written(
    servectl: Servectl, daemon: FakeDaemon, main_file: Path, tmp_path: Path
) -> None:
    """The problem is told under the name of the file that was given."""
    problem = {"file": str(main_file), "line": 1, "column": 1, "message": "no", "text": "x"}
    daemon.answers["Plan"] = ControlError(CONFIG_REFUSED, {"problems": [problem]})
    new = tmp_path / "new.toml"
    new.write_text("x")
    result = servectl("apply", str(new))
    assert result.exit_code == EXIT_REFUSED
    assert f"{new}:1:1" in result.output
    assert main_file.read_text() == "# now\n"


def test_a_failed_reload_gives_the_file_back(
    servectl: Servectl, daemon: FakeDaemon, main_file: Path
) -> None:
    """And what else it has changed, by a reload of the former file."""
    failed = [change(outcome="failed", reason="no such file")]
    daemon.answers["Reload"] = ControlError(RELOAD_FAILED, {"changes": failed})
    result = servectl("apply", "-", input="# new\n")
    assert result.exit_code == EXIT_FAILED
    assert "no such file" in result.output
    assert "the files are as they were before" in result.output
    assert main_file.read_text() == "# now\n"
    reloads = [parameters for method, parameters in daemon.calls if method == "Reload"]
    assert reloads == [{"wait": True}, {"wait": False}]


def test_history_lists_and_shows(servectl: Servectl, daemon: FakeDaemon, main_file: Path) -> None:
    """The one in force has a star; a number shows the files."""
    kept = {"entries": [entry(1, main_file, "# a\n"), entry(2, main_file, "# b\n")], "current": 2}
    daemon.answers["History"] = [kept]
    first, second = servectl("history").output.splitlines()
    assert (first[0], second[0]) == (" ", "*")
    assert "# a" in servectl("history", "1").output
    assert json.loads(servectl("history", "--json").output) == kept
    unknown = servectl("history", "7")
    assert unknown.exit_code == EXIT_FAILED
    assert "it has: 1, 2" in unknown.output


@pytest.mark.parametrize(("arguments", "text"), [([], "# b\n"), (["1"], "# a\n")])
def test_rollback_restores(
    servectl: Servectl, daemon: FakeDaemon, main_file: Path, arguments: list[str], text: str
) -> None:
    """By default the last one that is not what the file says."""
    entries = [entry(n, main_file, t) for n, t in enumerate(("# a\n", "# b\n", "# now\n"), 1)]
    daemon.answers["History"] = [{"entries": entries, "current": 3}]
    assert servectl("rollback", *arguments).exit_code == 0
    assert main_file.read_text() == text


def test_rollback_restores_drop_ins_but_removes_none(
    servectl: Servectl, daemon: FakeDaemon, main_file: Path
) -> None:
    """A file is never deleted: who has made it is told to move it."""
    directory = main_file.with_name("serve.toml.d")
    directory.mkdir()
    kept = entry(1, main_file, "# a\n", **{str(directory / "old.toml"): "# old\n"})
    daemon.answers["History"] = [{"entries": [kept], "current": 1}]
    later = directory / "later.toml"
    later.write_text("")
    refused = servectl("rollback")
    assert refused.exit_code == EXIT_FAILED
    assert str(later) in refused.output
    later.unlink()
    assert servectl("rollback").exit_code == 0
    assert (directory / "old.toml").read_text() == "# old\n"


def test_nothing_to_roll_back_to(servectl: Servectl, daemon: FakeDaemon, main_file: Path) -> None:
    """Says so, and asks for no reload."""
    daemon.answers["History"] = [{"entries": [entry(1, main_file, "# now\n")], "current": 1}]
    assert servectl("rollback").exit_code == EXIT_FAILED
    assert "Reload" not in asked(daemon)


def test_a_plan_for_scripts(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Every subject, those that are kept as well."""
    changes = [change(), change("gateway", "keep")]
    daemon.answers["Plan"] = [{"changes": changes}]
    assert json.loads(servectl("plan", "--json").output) == changes
