"""What the service manager hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_daemon.supervisor.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would have, and its name as $NOTIFY_SOCKET gives it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        name = str(tmp_path / "notify") if request.param == "path" else f"\0test-{os.getpid()}"
        receiving.bind(name)
        receiving.settimeout(10)
        yield receiving


def notifier_for(manager: socket.socket) -> Notifier:
    name = manager.getsockname()
    text = name if isinstance(name, str) else name.decode().replace("\0", "@")
    return Notifier({"NOTIFY_SOCKET": text})


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def test_every_message_is_as_the_protocol_has_it(manager: socket.socket) -> None:
    """See sd_notify(3)."""
    notifier = notifier_for(manager)
    assert notifier.is_supervised
    notifier.ready("m: ready")
    assert heard(manager) == ["READY=1", "STATUS=m: ready"]
    notifier.status("m: backoff")
    assert heard(manager) == ["STATUS=m: backoff"]
    notifier.stopping("draining")
    assert heard(manager) == ["STOPPING=1", "STATUS=draining"]
    notifier.watchdog()
    assert heard(manager) == ["WATCHDOG=1"]
    notifier.extend_timeout(30.0)
    assert heard(manager) == ["EXTEND_TIMEOUT_USEC=30000000"]
    notifier.forget("name")
    assert heard(manager) == ["FDSTOREREMOVE=1", "FDNAME=name"]


def test_reloading_says_when(manager: socket.socket) -> None:
    """Systemd wants the monotonic time, to tell a new reload from an old one."""
    notifier_for(manager).reloading("m: ready")
    first, when, status = heard(manager)
    assert (first, status) == ("RELOADING=1", "STATUS=m: ready")
    assert int(when.removeprefix("MONOTONIC_USEC=")) > 0


def test_store_passes_the_descriptors(manager: socket.socket) -> None:
    """They arrive as the very sockets that listen."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
            each.listen()
        notifier_for(manager).store("serve", [first, second])
        data, descriptors, _, _ = socket.recv_fds(manager, 4096, 8)
        assert data.decode().splitlines() == ["FDSTORE=1", "FDNAME=serve", "FDPOLL=0"]
        stored = [socket.socket(fileno=each) for each in descriptors]
        names = [each.getsockname() for each in stored]
        for each in stored:
            each.close()
        assert names == [first.getsockname(), second.getsockname()]


def test_without_a_manager_nothing_is_said() -> None:
    """The daemon runs in a shell as well."""
    notifier = Notifier({})
    notifier.ready("m: ready")
    assert not notifier.is_supervised


def test_a_manager_that_is_gone_or_full_is_no_error(tmp_path: Path) -> None:
    """The daemon's work does not depend on it, and it never waits for it."""
    path = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": path})
    notifier.watchdog()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(path)
        for _ in range(10_000):
            notifier.watchdog()
        assert receiving.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdogs_variables(environment: dict[str, str], seconds: float | None) -> None:
    """Only what is meant for this process counts."""
    assert Notifier(environment).watchdog_seconds == seconds
