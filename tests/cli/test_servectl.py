"""The commands of servectl, each against a daemon's answers."""

import json
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.documents import change, model, status
from cli.fake_daemon import FakeDaemon

Servectl = Callable[..., Result]


def test_status_shows_everything(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Without a model, the whole daemon is asked for."""
    daemon.answers["Status"] = [status(model(), model("other"))]
    result = servectl("status")
    assert result.exit_code == 0
    assert "● smollm2" in result.output
    assert daemon.calls == [("Status", {"lines": 0})]


def test_status_of_a_model_shows_it_at_length(servectl: Servectl, daemon: FakeDaemon) -> None:
    """The daemon finds it, by name or alias."""
    daemon.answers["Status"] = [status(model())]
    result = servectl("status", "default")
    assert "Aliases: default" in result.output
    assert daemon.calls == [("Status", {"model": "default", "lines": 10})]


def test_status_as_json_is_the_daemons_document(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Scripts get all there is, `models` among it."""
    daemon.answers["Status"] = [status(model())]
    assert json.loads(servectl("status", "--json", "--lines", "3").output) == status(model())
    assert daemon.calls == [("Status", {"lines": 3})]


def test_more_log_records_than_are_kept_are_a_wrong_use(servectl: Servectl) -> None:
    """Status 2, and the limit."""
    result = servectl("status", "m", "-n", "201")
    assert result.exit_code == 2
    assert "0<=x<=200" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "method", "parameters"),
    [
        (["start", "m"], "Start", {"model": "m", "wait": True}),
        (["start", "m", "--no-block"], "Start", {"model": "m", "wait": False}),
        (["stop", "m"], "Stop", {"model": "m", "wait": True}),
        (["stop", "--no-block", "m"], "Stop", {"model": "m", "wait": False}),
        (["restart", "m"], "Restart", {"model": "m", "wait": True}),
        (["restart", "m", "--no-block"], "Restart", {"model": "m", "wait": False}),
        (["log-level", "debug"], "SetLogLevel", {"level": "debug"}),
        (["shutdown", "--no-block"], "Shutdown", {}),
    ],
)
def test_a_command_that_succeeds_is_silent(
    servectl: Servectl,
    daemon: FakeDaemon,
    arguments: list[str],
    method: str,
    parameters: dict[str, Any],
) -> None:
    """One call, no output, status 0."""
    daemon.answers[method] = [{}]
    result = servectl(*arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert daemon.calls == [(method, parameters)]


@pytest.mark.parametrize(
    ("arguments", "wait"), [(["reload"], True), (["reload", "--no-block"], False)]
)
def test_reload_shows_what_it_did(
    servectl: Servectl, daemon: FakeDaemon, arguments: list[str], wait: bool
) -> None:
    """A line for each change."""
    changes = [change("models.m", "start", outcome="done"), change("gateway", "keep")]
    daemon.answers["Reload"] = [{"changes": changes}]
    assert servectl(*arguments).output == "models.m  start    done\n"
    assert daemon.calls == [("Reload", {"wait": wait})]


def test_plan_sends_the_file_that_is_named(
    servectl: Servectl, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """The daemon judges the text, in the place of its own file."""
    file = tmp_path / "new.toml"
    file.write_text("[models.m]\n")
    daemon.answers["Plan"] = [{"changes": [change("models.m", "start")]}]
    assert servectl("plan", str(file)).output == "models.m  start\n"
    assert daemon.calls == [("Plan", {"text": "[models.m]\n"})]


def test_diff_shows_the_values_that_change(
    servectl: Servectl, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """As TOML has them; a table that comes or goes with all its keys."""
    file = tmp_path / "new.toml"
    file.write_text("[models.m]\n")
    daemon.answers["GetConfig"] = [
        {"config": {"log": {"level": "info"}, "models": {"m": {"max_requests": 1, "a": ["x"]}}}}
    ]
    daemon.answers["GetPendingConfig"] = [
        {"config": {"log": {"level": "info"}, "models": {"a/b": {"preload": True}, "m": {"a": []}}}}
    ]
    assert servectl("diff", str(file)).output.splitlines() == [
        "- models.m.max_requests = 1",
        '- models.m.a = ["x"]',
        "+ models.m.a = []",
        '+ models."a/b".preload = true',
    ]
    assert daemon.calls[1] == ("GetPendingConfig", {"text": "[models.m]\n"})
    daemon.answers["GetPendingConfig"] = daemon.answers["GetConfig"]
    assert servectl("diff").output == "nothing differs\n"


def test_logs_are_lines(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Of one model, as many as asked for."""
    daemon.answers["Logs"] = [{"record": {"event": "first"}}, {"record": {"event": "second"}}]
    assert servectl("logs", "-n", "2", "m").output == "info    first\ninfo    second\n"
    assert daemon.calls == [("Logs", {"model": "m", "lines": 2, "follow": False})]


def test_logs_as_json_are_the_records(servectl: Servectl, daemon: FakeDaemon) -> None:
    """A record a line."""
    records = [{"event": "first", "n": 1}, {"event": "second"}]
    daemon.answers["Logs"] = [{"record": record} for record in records]
    shown = servectl("logs", "--json", "-f").output.splitlines()
    assert [json.loads(line) for line in shown] == records
    assert daemon.calls == [("Logs", {"lines": 50, "follow": True})]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--level", "warning"], ["worse", "unknown"]),
        (["--request", "req_1"], ["first"]),
        (["--since", "1h"], ["worse", "unknown", "timeless"]),
        (["--since", "2020-01-02T00:00", "--level", "error"], ["unknown"]),
    ],
)
def test_logs_are_filtered(
    servectl: Servectl, daemon: FakeDaemon, arguments: list[str], shown: list[str]
) -> None:
    """By level, request and time; all that are kept are looked at then."""
    now = datetime.now(UTC).isoformat()
    records = [
        {"event": "first", "level": "info", "timestamp": "2020-01-01", "request_id": "req_1"},
        {"event": "worse", "level": "warning", "timestamp": now, "request_id": "req_2"},
        {"event": "unknown", "level": "fatal", "timestamp": now},
        {"event": "timeless", "level": "debug"},
    ]
    daemon.answers["Logs"] = [{"record": record} for record in records]
    output = servectl("logs", "--json", *arguments).output
    assert [json.loads(line)["event"] for line in output.splitlines()] == shown
    assert daemon.calls == [("Logs", {"lines": 2000, "follow": False})]


def test_a_time_that_is_none_is_a_wrong_use(servectl: Servectl) -> None:
    """With an example."""
    result = servectl("logs", "--since", "yesterday")
    assert result.exit_code == 2
    assert "yesterday: write 10min, 2h, or" in result.stderr


def test_events_of_a_model(servectl: Servectl, daemon: FakeDaemon) -> None:
    """By its alias too."""
    event = {"number": 3, "time": 0.0, "kind": "state", "old": "", "new": "", "message": "m"}
    daemon.answers["Events"] = [{"event": event | {"model": each}} for each in ("smollm2", "")]
    daemon.answers["Status"] = [status(model())]
    assert servectl("events", "default").output.count("smollm2: m") == 1
    assert servectl("events").output.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "since", "follow"),
    [([], 1, False), (["-f"], 0, True), (["-f", "--since", "3"], 3, True)],
)
def test_events_begin_where_it_makes_sense(
    servectl: Servectl, daemon: FakeDaemon, arguments: list[str], since: int, follow: bool
) -> None:
    """The past without -f, the future with it, from a number if one is given."""
    event = {"number": 3, "time": 0.0, "kind": "reload", "model": "", "old": "", "new": ""}
    daemon.answers["Events"] = [{"event": event | {"message": "applied"}}]
    assert servectl("events", *arguments).output.endswith("reload: applied\n")
    assert daemon.calls == [("Events", {"since": since, "follow": follow})]


def test_metrics_are_printed_as_they_are(servectl: Servectl, daemon: FakeDaemon) -> None:
    """The last line ends as the others do."""
    daemon.answers["Metrics"] = [{"text": "# HELP a b\na 1\n"}]
    assert servectl("metrics").stdout == "# HELP a b\na 1\n"


def test_config_show_prints_toml(servectl: Servectl, daemon: FakeDaemon) -> None:
    """What is printed can be read again."""
    tree = {"server": {"listen": ["127.0.0.1:8000"]}, "models": {"a/b": {"dtype": "auto"}}}
    daemon.answers["GetConfig"] = [{"config": tree}]
    assert tomllib.loads(servectl("config", "show").output) == tree


def test_config_show_of_a_file_needs_no_daemon(servectl: Servectl, tmp_path: Path) -> None:
    """Profiles and defaults are filled in."""
    file = tmp_path / "serve.toml"
    file.write_text('[profiles.p]\nmax_requests = 3\n[models.m]\nprofile = "p"\n')
    shown = tomllib.loads(servectl("config", "show", "--file", str(file)).output)
    assert shown["models"]["m"]["max_requests"] == 3
    assert shown["models"]["m"]["dtype"] == "auto"


def test_model_names_are_completed(servectl: Servectl, daemon: FakeDaemon) -> None:
    """From the daemon that the command is for."""
    daemon.answers["Status"] = [status(model("smollm2"), model("small"), model("other"))]
    environment = {"_SERVECTL_COMPLETE": "bash_complete", "SERVECTL_SOCKET": str(daemon.path)}
    environment |= {"COMP_WORDS": "servectl stop sm", "COMP_CWORD": "2"}
    result = servectl(env=environment, prog_name="servectl")
    assert result.output.split() == ["plain,smollm2", "plain,small"]


def test_completion_without_a_daemon_is_empty(servectl: Servectl) -> None:
    """Pressing the key shows no error."""
    environment = {"_SERVECTL_COMPLETE": "bash_complete", "SERVECTL_SOCKET": "/nonexistent"}
    environment |= {"COMP_WORDS": "servectl stop sm", "COMP_CWORD": "2"}
    result = servectl(env=environment, prog_name="servectl")
    assert (result.output.strip(), result.stderr) == ("", "")
