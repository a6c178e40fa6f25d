"""Listening sockets: bound, inherited, stored, kept and closed."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve_daemon.supervisor.sockets import (
    SEND_BUFFER_BYTES,
    STORE_NAME,
    Inherited,
    ListenError,
    ListeningSockets,
    address_of,
    bind,
    take_inherited,
)


@pytest.fixture
def sockets() -> Iterator[ListeningSockets]:
    """None yet; what a test opens is closed after it."""
    listening = ListeningSockets([])
    yield listening
    listening.close_all()


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return address_of(probe)


def answers(address: str) -> bool:
    """Whether a connection to the address gets into a queue."""
    if address.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(address.removeprefix("unix:")) == 0
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET) as client:
        return client.connect_ex((host.strip("[]"), int(port))) == 0


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "[::1]:0", "unix"])
def test_every_kind_of_address_listens(
    sockets: ListeningSockets, tmp_path: Path, address: str
) -> None:
    """As [server] listen writes it; a client that stops reading must be seen soon."""
    wanted = f"unix:{tmp_path / 'api.sock'}" if address == "unix" else address
    (listening,) = sockets.open([wanted]).values()
    (bound,) = sockets.bound([wanted])
    assert answers(bound)
    assert address_of(listening) == bound
    # The kernel doubles what it is given.
    assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER_BYTES


def test_a_socket_is_opened_once(sockets: ListeningSockets) -> None:
    """A gateway that comes back gets the same socket, with all who wait in its queue."""
    address = free_address()
    first = sockets.open([address])
    assert sockets.open([address]) == first
    assert sockets.own == list(first.values())


def test_keep_only_closes_the_rest(sockets: ListeningSockets, tmp_path: Path) -> None:
    """Nobody connects to where nobody serves any more; a Unix socket leaves no file."""
    stays, goes, path = free_address(), free_address(), tmp_path / "api.sock"
    sockets.open([stays, goes, f"unix:{path}"])
    sockets.keep_only([stays])
    assert answers(stays)
    assert not answers(goes)
    assert not path.exists()


def test_an_address_that_is_taken_binds_nothing(sockets: ListeningSockets, tmp_path: Path) -> None:
    """The error says which address and why; the others are as they were."""
    fine, path = free_address(), tmp_path / "api.sock"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = address_of(other)
        with pytest.raises(ListenError, match=f"can't listen on {taken}: Address already in use"):
            sockets.open([fine, f"unix:{path}", taken])
    assert not answers(fine)
    assert not path.exists()
    assert sockets.own == []


@pytest.mark.parametrize(
    "address", ["host.invalid:8000", "unix:/nowhere/api.sock", "192.0.2.1:8000"]
)
def test_an_address_that_can_not_be_had_is_named(sockets: ListeningSockets, address: str) -> None:
    """A host that does not exist, a directory that does not, an address of another machine."""
    with pytest.raises(ListenError) as caught:
        sockets.open([address])
    assert caught.value.address == address
    assert str(caught.value).startswith(f"can't listen on {address}: ")


def test_a_unix_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    """Its file stayed behind, but nobody listens."""
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with bind(f"unix:{path}"):
        assert answers(f"unix:{path}")


def test_a_unix_socket_that_answers_is_left_alone(tmp_path: Path) -> None:
    """So is a file that is no socket."""
    path = tmp_path / "api.sock"
    with bind(f"unix:{path}"), pytest.raises(ListenError, match="already in use"):
        bind(f"unix:{path}")
    assert path.exists()
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(ListenError):
        bind(f"unix:{file}")
    assert file.read_text() == "precious"


def test_a_socket_unit_says_where_to_listen() -> None:
    """Whatever [server] listen says; and none of its sockets is ours to close."""
    with bind("127.0.0.1:0") as activated:
        sockets = ListeningSockets([Inherited("api.socket", activated)])
        elsewhere = free_address()
        assert list(sockets.open([elsewhere]).values()) == [activated]
        assert sockets.bound([elsewhere]) == [address_of(activated)]
        assert not answers(elsewhere)
        sockets.keep_only([])
        assert sockets.own == []
        assert answers(address_of(activated))


def test_metrics_listen_where_no_socket_unit_says() -> None:
    """Theirs are the last ones, and closed as others are."""
    with bind("127.0.0.1:0") as activated:
        sockets = ListeningSockets([Inherited("api.socket", activated)])
        api, own = sockets.open(["127.0.0.1:1"], ["127.0.0.1:0"]).values()
        assert api is activated
        address = address_of(own)
        assert answers(address)
        assert sockets.own == [own]
        sockets.keep_only([])
        assert not answers(address)


def test_stored_sockets_are_found_by_their_address(tmp_path: Path) -> None:
    """A restart goes on with the sockets of before; what nobody wants is closed."""
    path = tmp_path / "api.sock"
    tcp, unix, unwanted = bind("127.0.0.1:0"), bind(f"unix:{path}"), bind("127.0.0.1:0")
    wanted = [f"localhost:{tcp.getsockname()[1]}", f"unix:{path}"]
    gone = address_of(unwanted)
    sockets = ListeningSockets([Inherited(STORE_NAME, each) for each in (tcp, unix, unwanted)])
    assert list(sockets.open(wanted).values()) == [tcp, unix]
    sockets.keep_only(wanted)
    assert not answers(gone)
    assert sockets.own == [tcp, unix]
    sockets.close_all()


def test_stored_sockets_outlive_a_start_that_fails(tmp_path: Path) -> None:
    """The next try finds them, and their files, where they were."""
    path = tmp_path / "api.sock"
    unix = bind(f"unix:{path}")
    sockets = ListeningSockets([Inherited(STORE_NAME, unix)])
    with pytest.raises(ListenError):
        sockets.open([f"unix:{path}", "192.0.2.1:1"])
    assert answers(f"unix:{path}")
    assert list(sockets.open([f"unix:{path}"]).values()) == [unix]
    sockets.close_all()


INHERIT = """
import json, os, sys
from serve_daemon.supervisor.sockets import address_of, take_inherited
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.environ["LISTEN_PID"] = str(os.getpid())
found = take_inherited(os.environ)
print(json.dumps({
    "found": [[each.name, each.is_stored, address_of(each.socket)] for each in found],
    "inheritable": [os.get_inheritable(each.socket.fileno()) for each in found],
    "left": [name for name in os.environ if name.startswith("LISTEN_")],
}))
"""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (f"api.socket:{STORE_NAME}", [("api.socket", False), (STORE_NAME, True)]),
        ("api.socket", [("api.socket", False), ("unknown", False)]),
        ("", [("unknown", False), ("unknown", False)]),
    ],
)
def test_systemd_passes_sockets(names: str, expected: list[tuple[str, bool]]) -> None:
    """By sd_listen_fds(3), in a process of its own; no child inherits them by accident."""
    with bind("127.0.0.1:0") as first, bind("127.0.0.1:0") as second:
        ran = subprocess.run(
            [sys.executable, "-c", INHERIT, str(first.fileno()), str(second.fileno())],
            pass_fds=[first.fileno(), second.fileno()],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": names},
            stdout=subprocess.PIPE,
            check=True,
        )
        addresses = [address_of(first), address_of(second)]
    told = json.loads(ran.stdout)
    assert told["found"] == [
        [name, is_stored, address]
        for (name, is_stored), address in zip(expected, addresses, strict=True)
    ]
    assert told["inheritable"] == [False, False]
    assert told["left"] == []


def test_sockets_for_another_process_are_not_ours() -> None:
    """LISTEN_PID names whom they are for."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "3", "PATH": "/bin"}
    assert take_inherited(environment) == []
    assert environment == {"PATH": "/bin"}
