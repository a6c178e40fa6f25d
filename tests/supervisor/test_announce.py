"""What systemd hears in the course of a day, on a real socket."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.managed import Managed
from serve_daemon.supervisor.announce import Announcer
from serve_daemon.supervisor.notify import Notifier

Make = Callable[[str], Managed]

ONE = '[models.m]\nsource = "/models/m"\n'


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.setblocking(False)
        yield receiving


def announcer_of(world: Managed, systemd: socket.socket) -> Announcer:
    notifier = Notifier({"NOTIFY_SOCKET": systemd.getsockname()})
    return Announcer(notifier, world.manager, world.reloader, world.sockets)


def heard(systemd: socket.socket) -> list[str]:
    """The first line of all that has come; of READY also the status."""
    told = []
    while True:
        try:
            told.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return [each.partition("\n")[0] for each in told]


async def test_a_day(managed: Make, systemd: socket.socket) -> None:
    """Ready with the sockets stored, a status for each change, a reload with its end."""
    world = managed(ONE)
    world.started()
    announcer = announcer_of(world, systemd)
    announcer.tell()
    assert heard(systemd) == ["READY=1", "FDSTOREREMOVE=1", "FDSTORE=1"]
    world.engines("m")[0].listener.on_exit(1)
    await announcer.next_change()
    announcer.tell()
    assert heard(systemd) == ["STATUS=gateway: ready; m: backoff"]
    world.file.write_text(world.file.read_text().replace("/models/m", "/models/other"))
    reload = world.reloader.begin("test")
    await announcer.next_change()
    announcer.tell()
    assert heard(systemd) == ["RELOADING=1"]
    world.engines("m")[-1].ready()
    await announcer.next_change()
    announcer.tell()
    assert heard(systemd) == ["STATUS=gateway: ready; m: ready"]
    await reload.finished()
    await announcer.next_change()
    announcer.tell()
    assert heard(systemd) == ["READY=1"]


async def test_the_store_follows_the_addresses(
    managed: Make, systemd: socket.socket, tmp_path: Path
) -> None:
    """Else a restart would come back with sockets on which nobody serves."""
    world = managed(f'[server]\nlisten = ["unix:{tmp_path}/api"]\n{ONE}')
    world.started()
    announcer = announcer_of(world, systemd)
    announcer.tell()
    heard(systemd)
    world.file.write_text(world.file.read_text().replace("/api", "/api2"))
    reload = world.reloader.begin("test")
    world.gateway.ready()
    await reload.finished()
    announcer.tell()
    told: list[tuple[bytes, list[socket.socket]]] = []
    while not told or not told[-1][0].startswith(b"FDSTORE=1"):
        data, descriptors, _, _ = socket.recv_fds(systemd, 4096, 8)
        told.append((data, [socket.socket(fileno=each) for each in descriptors]))
    (stored,) = told[-1][1]
    with stored:
        assert stored.getsockname() == f"{tmp_path}/api2"
