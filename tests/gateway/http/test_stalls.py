"""What the kernel tells of clients that do not read."""

import socket
from collections.abc import Iterator
from functools import partial

import pytest

from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.kernel_sockets import address, unread_bytes
from serve_daemon.gateway.http.stalls import Line, Reader, StallWatch
from serve_daemon.wire.routing import GatewaySettings


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        ([(0, 100)], 0),  # nothing to read
        ([(120, 100)], 0),  # with the framing that HTTP adds
        ([(10, 100), (10, 100), (10, 100)], 2),
        ([(10, 100), (60, 150), (110, 200)], 2),  # more came, nothing was read
        ([(10, 100), (10, 150), (10, 200)], 0),  # always a little behind, and reading
        ([(10, 100), (60, 150), (59, 150)], 0),
        ([(10, 100), (30, 150), (90, 200)], 1),
        ([(10, 100), (0, 100), (0, 100)], 0),
        ([(50, 100), (50, 110), (60, 110)], 1),  # what was sent last had not arrived
    ],
)
def test_a_reader_that_reads_nothing_is_told_apart(
    looks: list[tuple[int, int]], seconds: float
) -> None:
    """From one that is slow: pairs of unread and sent bytes, once a second."""
    line = Line()
    for second, (unread, line.sent_bytes) in enumerate(looks):
        result = line.idle_seconds(unread, 1000.0 + second)
    assert result == seconds


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def connection(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection: the server's and the client's."""
    family = socket.AF_INET if request.param == "127.0.0.1" else socket.AF_INET6
    host = {"mapped": "::"}.get(request.param, request.param)
    dual = request.param == "mapped"
    with socket.create_server((host, 0), family=family, dualstack_ipv6=dual) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1" if dual else host, port))
        server, _ = listening.accept()
        with client, server:
            yield server, client


def scope_of(server: socket.socket) -> dict[str, tuple[str, ...]]:
    """What ASGI says of the connection."""
    return {
        "client": tuple(map(str, server.getpeername()[:2])),
        "server": tuple(map(str, server.getsockname()[:2])),
    }


def unread_by(client: socket.socket) -> int:
    """As the server sees it."""
    end = address(*client.getsockname()[:2])
    assert end is not None
    return unread_bytes(client.getpeername()[1])[end]


def test_the_kernel_tells_what_a_client_has_not_read(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    """For every kind of address."""
    server, client = connection
    server.send(b"x" * 1000)
    assert unread_by(client) == 1000
    client.recv(300)
    assert unread_by(client) == 700


def test_only_the_reply_that_nobody_reads_is_ended(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    """Once stall_timeout is over."""
    server, client = connection
    watch = StallWatch(Conditions(GatewaySettings(stall_timeout=1.5)))
    ended: list[str] = []
    scope = scope_of(server)
    reader = Reader(scope, lambda: ended.append("it"))
    watch.add(reader)
    watch.add(Reader({"client": ("", "0"), "server": ("/run/api.sock", "0")}, ended.clear))
    reader.line.sent_bytes = server.send(b"x" * 1000)
    for now in (0.0, 1.0, 1.5):
        watch.look(now)
    assert not ended
    client.recv(1)
    watch.look(2.0)
    assert not ended
    watch.look(3.0)
    watch.look(3.6)
    watch.look(4.0)
    assert ended == ["it"]


def test_replies_that_share_a_connection_are_read_together(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    """One whose bytes wait behind another's is not stalled while that is read."""
    server, client = connection
    watch = StallWatch(Conditions(GatewaySettings(stall_timeout=1.5)))
    ended: list[str] = []
    scope = scope_of(server)
    first, second = (Reader(scope, partial(ended.append, name)) for name in "12")
    for each in (first, second):
        watch.add(each)
    first.line.sent_bytes += server.send(b"1" * 1000)
    for now in range(5):
        second.line.sent_bytes += server.send(b"2" * 1000)
        client.recv(500)
        watch.look(float(now))
    watch.remove(second)
    assert not ended
    watch.look(8.0)
    assert ended == ["1"]


@pytest.mark.parametrize(("host", "port"), [("", "0"), ("/run/api.sock", "0"), ("testclient", 5)])
def test_what_is_no_ip_address_is_nothing_to_look_at(host: str, port: str | int) -> None:
    """A Unix socket's buffers are small enough."""
    assert address(host, port) is None
