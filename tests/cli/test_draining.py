"""Drain and resume, against a daemon's answers."""

from collections.abc import Callable

from click.testing import Result

from cli.documents import model, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli.connection import EXIT_FAILED

Servectl = Callable[..., Result]


def test_drain_waits_for_what_is_open(servectl: Servectl, daemon: FakeDaemon) -> None:
    """And tells how much that is."""
    daemon.answers["Drain"] = [{"open_requests": 2}, {"open_requests": 1}, {"open_requests": 0}]
    result = servectl("drain")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "open requests: 2\nopen requests: 1\n"
    assert daemon.calls == [("Drain", {})]


def test_what_is_still_open_is_an_error(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Unless nobody wanted to wait."""
    daemon.answers["Drain"] = [{"open_requests": 2}]
    late = servectl("drain", "--timeout", "1.5")
    assert (late.exit_code, "still open: 2" in late.stderr) == (EXIT_FAILED, True)
    assert servectl("drain", "--no-block").exit_code == 0
    assert daemon.calls == [("Drain", {"timeout": 1.5}), ("Drain", {"timeout": 0.0})]


def test_what_nobody_has_counted_yet_is_not_none(servectl: Servectl, daemon: FakeDaemon) -> None:
    """A gateway has not answered in time: requests may be open there."""
    daemon.answers["Drain"] = [{"open_requests": None}]
    assert servectl("drain", "--timeout", "0.1").exit_code == EXIT_FAILED


def test_resume(servectl: Servectl, daemon: FakeDaemon) -> None:
    """Says nothing where all is well."""
    daemon.answers["Resume"] = [{}]
    assert servectl("resume").output == ""


def test_status_shows_it(servectl: Servectl, daemon: FakeDaemon) -> None:
    """In place of a gateway that is ready."""
    document = status(model())
    document["gateway"]["draining"] = True
    daemon.answers["Status"] = [document]
    shown = servectl("status").output
    assert "gateway - draining on" in shown
    assert "servectl resume" in shown
