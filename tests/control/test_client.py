"""The client's errors: what a person can do about a daemon that does not answer."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_daemon.control.client import Client, Unreachable


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield listening


def ask(path: Path) -> None:
    with contextlib.closing(Client(path)) as client:
        client.call("GetConfig")


def test_no_socket_asks_whether_the_daemon_runs(path: Path) -> None:
    """The error has the path and the question."""
    with pytest.raises(Unreachable, match=f"{path}: no daemon answers here: is serve-daemon runn"):
        ask(path)


def test_a_stale_socket_asks_the_same(path: Path, listener: socket.socket) -> None:
    """A socket file without a daemon is no daemon."""
    listener.close()
    with pytest.raises(Unreachable, match="is serve-daemon running"):
        ask(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
def test_a_closed_socket_names_the_group(path: Path, listener: socket.socket) -> None:
    """Who is not of the group is told so."""
    assert listener
    path.chmod(0o600)
    os.seteuid(65534)
    try:
        with pytest.raises(Unreachable, match="access denied: run this as root or as a member"):
            ask(path)
    finally:
        os.seteuid(0)


def test_a_daemon_that_dies_before_it_answers_is_said(path: Path, listener: socket.socket) -> None:
    """A connection that ends too early is not an empty answer."""

    def hang_up() -> None:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with pytest.raises(Unreachable, match="closed the connection before it answered"):
        ask(path)
    thread.join()


def test_another_program_on_the_socket_is_said(path: Path, listener: socket.socket) -> None:
    """An answer that is no varlink is no serve-daemon's."""

    def answer_otherwise() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n\0")
        connection.close()

    thread = threading.Thread(target=answer_otherwise)
    thread.start()
    with pytest.raises(Unreachable, match="no serve-daemon answers here"):
        ask(path)
    thread.join()


def test_the_client_starts_fast() -> None:
    """It brings none of the libraries that a short command can not afford."""
    heavy = {"asyncio", "msgspec", "pydantic", "structlog"}
    code = f"import sys, serve_daemon.control.client; print(*({heavy!r} & set(sys.modules)))"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert imported.stdout.split() == []
