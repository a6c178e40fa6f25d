"""What a daemon's errors are to who typed the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli.documents import change, model, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.control import protocol
from serve_daemon.control.protocol import ControlError

Servectl = Callable[..., Result]

PROBLEM = {
    "file": "/etc/serve.toml",
    "line": 4,
    "column": 9,
    "key": "models.m.dtype",
    "message": '"x" is not known, use auto',
    "text": 'dtype = "x"',
}
SHOWN = (
    '/etc/serve.toml:4:9: models.m.dtype: "x" is not known, use auto\n'
    '    dtype = "x"\n'
    "            ^\n"
)
REFUSED = ControlError(protocol.CONFIG_REFUSED, {"problems": [PROBLEM]})


def test_a_reload_that_fails_shows_what_failed(servectl: Servectl, daemon: FakeDaemon) -> None:
    """The status is 1, the reason is said."""
    changes = [change("models.m", "replace", outcome="failed", reason="out of memory")]
    daemon.answers["Reload"] = ControlError(protocol.RELOAD_FAILED, {"changes": changes})
    result = servectl("reload")
    assert result.exit_code == 1
    assert result.stderr == "the reload has failed:\nmodels.m  replace  failed  out of memory\n"


@pytest.mark.parametrize("command", ["reload", "plan"])
def test_a_refused_file_is_shown_as_compilers_do(
    servectl: Servectl, daemon: FakeDaemon, command: str
) -> None:
    """File, line, column, key, the source line and a caret; status 4."""
    daemon.answers[command.capitalize()] = REFUSED
    result = servectl(command)
    assert (result.exit_code, result.stderr) == (4, SHOWN)


def test_plan_names_the_file_that_was_given(
    servectl: Servectl, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """A problem in the text is not blamed on the daemon's file."""
    file = tmp_path / "new.toml"
    file.write_text("")
    elsewhere = PROBLEM | {"file": "/etc/serve.toml.d/x.toml"}
    problems = [dict(PROBLEM), elsewhere]
    daemon.answers["Plan"] = ControlError(protocol.CONFIG_REFUSED, {"problems": problems})
    daemon.answers["Status"] = [status()]
    result = servectl("plan", str(file))
    assert result.exit_code == 4
    assert f"{file}:4:9: models.m.dtype" in result.stderr
    assert "/etc/serve.toml.d/x.toml:4:9: models.m.dtype" in result.stderr


def test_an_unknown_model_lists_the_known(servectl: Servectl, daemon: FakeDaemon) -> None:
    """A typing error is mended at once."""
    unknown = ControlError(protocol.UNKNOWN_MODEL, {"model": "x", "known": ["a", "b"]})
    daemon.answers["Stop"] = unknown
    result = servectl("stop", "x")
    assert result.exit_code == 1
    assert result.stderr == "no model is named 'x'; those that are configured: a, b\n"


def test_an_operation_that_fails_says_why(servectl: Servectl, daemon: FakeDaemon) -> None:
    """The daemon's words, status 1."""
    daemon.answers["Start"] = ControlError(protocol.OPERATION_FAILED, {"message": "m: no memory"})
    result = servectl("start", "m")
    assert (result.exit_code, result.stderr) == (1, "m: no memory\n")


def test_a_daemon_of_another_version_is_suspected(servectl: Servectl, daemon: FakeDaemon) -> None:
    """An error that this servectl does not know is shown as it is."""
    daemon.answers["Shutdown"] = ControlError(protocol.METHOD_NOT_FOUND, {"method": "Shutdown"})
    result = servectl("shutdown", "--no-block")
    assert result.exit_code == 1
    assert "MethodNotFound(method='Shutdown'); is it of another version" in result.stderr


def test_no_daemon_has_its_own_status(servectl: Servectl) -> None:
    """A script can tell a daemon that is away from one that refuses."""
    result = servectl("status")
    assert result.exit_code == 3
    assert "is serve-daemon running?" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["log-level", "loud"], ["stop"], ["logs", "-n", "-1"], ["plan", "/nonexistent"]],
)
def test_wrong_usage_has_its_own_status(servectl: Servectl, arguments: list[str]) -> None:
    """2, as for every command of this kind, and no call is made."""
    assert servectl(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "settings", "is_coloured"),
    [({}, {}, False), ({"color": True}, {}, True), ({"color": True}, {"NO_COLOR": "1"}, False)],
    ids=["pipe", "terminal", "NO_COLOR"],
)
def test_colour_is_for_terminals_that_want_it(
    servectl: Servectl,
    daemon: FakeDaemon,
    arguments: dict[str, Any],
    settings: dict[str, str],
    is_coloured: bool,
) -> None:
    """A pipe gets plain text, and so does who asks for no colour."""
    daemon.answers["Status"] = [status(model())]
    result = servectl("status", env={"NO_COLOR": ""} | settings, **arguments)
    assert ("\x1b[" in result.output) is is_coloured
