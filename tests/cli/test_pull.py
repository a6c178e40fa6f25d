"""Pull, against a daemon's answers."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from cli.documents import Document
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli import progress
from serve_daemon.cli.connection import EXIT_FAILED
from serve_daemon.cli.progress import Bar
from serve_daemon.control.protocol import OPERATION_FAILED, ControlError

Servectl = Callable[..., Result]


def download(done: int = 0, total: int = 0, path: str | None = None) -> Document:
    return {"download": {"source": "org/m", "done": done, "total": total, "path": path}}


def test_pull_prints_where_it_lies(servectl: Servectl, daemon: FakeDaemon) -> None:
    """How far it is goes to stderr; for scripts, each word of the daemon is a document."""
    daemon.answers["Pull"] = [download(512, 1024), download(path="/cache/m")]
    result = servectl("pull", "org/m")
    assert (result.exit_code, result.stdout) == (0, "/cache/m\n")
    assert "org/m  50% of 1.0K" in result.stderr
    assert daemon.calls == [("Pull", {"source": "org/m"})]
    told = [json.loads(line) for line in servectl("pull", "--json", "m").stdout.splitlines()]
    assert [each["path"] for each in told] == [None, "/cache/m"]


def test_what_can_not_be_had_is_told(servectl: Servectl, daemon: FakeDaemon) -> None:
    """In the daemon's words."""
    daemon.answers["Pull"] = ControlError(OPERATION_FAILED, {"message": "org/m is not on the Hub"})
    result = servectl("pull", "org/m")
    assert (result.exit_code, result.stderr) == (EXIT_FAILED, "org/m is not on the Hub\n")


def test_a_bar_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, which is gone in the end; as fast as it is, so long it takes."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    clock = iter(range(100))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    bar = Bar("org/m")
    bar.tell(0, 4096, "downloading")
    bar.tell(1024, 4096, "downloading")
    bar.end()
    first, second, last = (
        capsys.readouterr().err.removeprefix(progress.CLEAR_LINE).split(progress.CLEAR_LINE)
    )
    assert first == f"org/m downloading [{' ' * 24}]   0% of 4.0K"
    assert second.startswith(f"org/m downloading [{'#' * 6}{' ' * 18}]  25% of 4.0K, ")
    assert second.endswith("s left")
    assert last == ""
