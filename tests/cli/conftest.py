"""servectl against a daemon that is only its control socket."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.documents import model
from cli.fake_api import FakeApi
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli.servectl import main


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    fake = FakeDaemon(tmp_path / "control.sock")
    with fake.running():
        yield fake


@pytest.fixture
def servectl(tmp_path: Path) -> Callable[..., Result]:
    """Runs servectl against the fake daemon's socket."""

    def run(*arguments: str, **settings: Any) -> Result:
        socket = str(tmp_path / "control.sock")
        return CliRunner().invoke(main, ["--socket", socket, *arguments], **settings)

    return run


@pytest.fixture
def api(tmp_path: Path, daemon: FakeDaemon) -> Iterator[FakeApi]:
    """The API of the fake daemon, with one model."""
    fake = FakeApi(tmp_path / "api.sock")
    daemon.answers["Status"] = [fake.status(model())]
    with fake.running():
        yield fake
