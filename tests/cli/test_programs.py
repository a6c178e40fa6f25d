"""The commands as programs: their status, and what servectl brings into memory."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.documents import model, status
from cli.fake_daemon import FakeDaemon
from serve_daemon.cli import connection
from serve_daemon.config import directories

HEAVY = {
    *("asyncio", "httpx", "msgspec", "pydantic", "pydantic_settings", "structlog", "tomli_w"),
    *("transformers", "torch", "falcon", "granian"),
}
SERVECTL = str(Path(sys.executable).with_name("servectl"))


def test_status_brings_nothing_heavy(daemon: FakeDaemon) -> None:
    """A command that people type again and again must start fast."""
    daemon.answers["Status"] = [status(model())]
    code = (
        "import sys\n"
        "from serve_daemon.cli.servectl import main\n"
        "try: main()\n"
        f"finally: print('heavy:', *sorted(set(sys.modules) & {HEAVY!r}))\n"
    )
    command = [sys.executable, "-c", code, "--socket", str(daemon.path), "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "● smollm2" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy:"


def test_the_socket_is_taken_from_the_environment(daemon: FakeDaemon) -> None:
    """A shell can be set to one daemon."""
    daemon.answers["Shutdown"] = [{}]
    environment = os.environ | {"SERVECTL_SOCKET": str(daemon.path)}
    done = subprocess.run([SERVECTL, "shutdown", "--no-block"], env=environment, check=False)
    assert done.returncode == 0


def test_no_daemon_is_status_3(tmp_path: Path) -> None:
    """The program's status is the command's."""
    command = [SERVECTL, "--socket", str(tmp_path / "absent"), "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_following_quietly(daemon: FakeDaemon) -> None:
    """Who has seen enough presses Ctrl-C; that is no error to be explained."""
    daemon.answers["Logs"] = [{"record": {"event": "first"}}]
    daemon.goes_on = True
    command = [SERVECTL, "--socket", str(daemon.path), "logs", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert b"first" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.communicate() == (b"", b"")
    assert following.returncode == 130


def test_the_socket_is_that_of_the_runtime_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon's rule and servectl's are one."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(directories, "SYSTEM_RUNTIME_DIRECTORY", tmp_path / "absent")
    assert connection.default_socket() == tmp_path / "control.sock"


def test_the_systems_daemon_is_found_from_a_login_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a runtime directory of their own, but no daemon, means the system's."""
    system, own = tmp_path / "system", tmp_path / "own"
    for directory in (system, own / "serve-daemon"):
        directory.mkdir(parents=True)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    monkeypatch.setattr(directories, "SYSTEM_RUNTIME_DIRECTORY", system)
    (system / "control.sock").touch()
    assert connection.default_socket() == system / "control.sock"
    (own / "serve-daemon" / "control.sock").touch()
    assert connection.default_socket() == own / "serve-daemon" / "control.sock"


@pytest.mark.parametrize("override", ["log.level", "=debug", "log..level=debug"])
def test_an_override_that_is_no_assignment_is_a_wrong_use_of_the_command(override: str) -> None:
    """Status 2 and the usage, as for every other option; 78 is for keys of the file."""
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--check", "--set"]
    done = subprocess.run([*command, override], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Usage: serve-daemon" in done.stderr
    assert f'"{override}" is not KEY=VALUE, write it like --set log.level=debug' in done.stderr
    known = [*command, "log.nevel=debug"]
    assert subprocess.run(known, capture_output=True, check=False).returncode == 78
