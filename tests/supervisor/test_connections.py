"""How many connections clients have open."""

import socket

import pytest

from serve_daemon.supervisor import connections
from serve_daemon.supervisor.connections import open_connections, ports_of


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_of_a_port_are_counted(host: str) -> None:
    """The server's ends alone, and no longer than they are there."""
    with socket.create_server((host, 0), family=_family(host)) as listening:
        port = listening.getsockname()[1]
        assert open_connections({port}) == 0
        with socket.create_connection((host, port)), socket.create_connection((host, port)):
            assert open_connections({port}) == 2


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def test_nothing_is_known_where_the_kernel_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sandbox."""
    monkeypatch.setattr(connections, "TABLES", ("/proc/1/mem",))
    assert open_connections({80}) is None


def test_ports_are_those_of_tcp() -> None:
    """However an address is written."""
    addresses = ["127.0.0.1:8000", "[::1]:8001", "unix:/run/x:1"]
    assert ports_of(addresses) == {8000, 8001}
