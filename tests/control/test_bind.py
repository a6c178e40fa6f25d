"""The socket that the server listens on."""

import contextlib
import os
import socket
import stat
from pathlib import Path

import pytest

from serve_daemon.control.server import SocketTaken, bind


def test_the_socket_is_for_its_user_and_group(path: Path) -> None:
    """Whatever the umask: read and write for user and group, nothing for others."""
    old = os.umask(0o077)
    try:
        with bind(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(old)


def test_the_socket_is_never_wider(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Already at its birth the file is closed to others."""
    modes: list[int] = []
    chmod = Path.chmod

    def watched(self: Path, mode: int) -> None:
        modes.append(stat.S_IMODE(self.stat().st_mode))
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", watched)
    old = os.umask(0)
    try:
        bind(path).close()
    finally:
        os.umask(old)
    assert modes == [0o660]


def test_a_stale_socket_is_replaced(path: Path) -> None:
    """What a killed daemon left is no obstacle."""
    bind(path).close()
    with bind(path) as listener:
        assert listener.getsockname() == str(path)


def test_a_live_socket_is_left_alone(path: Path) -> None:
    """Two daemons never answer in turn on one path."""
    with bind(path), pytest.raises(SocketTaken, match=f"another daemon answers on {path}"):
        bind(path)


def test_a_daemon_too_busy_to_accept_is_alive(path: Path) -> None:
    """A full queue is not mistaken for nobody."""
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))
        with pytest.raises(SocketTaken, match="another daemon"):
            bind(path)


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    """A mistyped path costs nobody a file."""
    path.write_text("precious")
    with pytest.raises(SocketTaken, match="is no socket"):
        bind(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("path", [Path("/nonexistent/x.sock"), Path("/tmp") / ("x" * 200)])  # noqa: S108
def test_an_impossible_path_is_said(path: Path) -> None:
    """The error names the path and what is wrong with it."""
    with pytest.raises(SocketTaken, match=f"^{path}"):
        bind(path)
