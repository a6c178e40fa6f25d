"""Which connections end when places get scarce."""

import socket
from collections.abc import Iterator

import pytest

from serve_daemon.gateway.http.idle_connections import (
    Connection,
    close,
    connections_at,
    overdue,
    to_close,
)
from serve_daemon.gateway.http.kernel_sockets import Address

PLACES = 8


def connection(number: int) -> Connection:
    """The higher its number, the longer it has been silent."""
    return Connection(number, client(number), float(number))


def client(number: int) -> Address:
    return b"host", number


ALL = [connection(number) for number in range(PLACES)]
KNOWN = {each.identity for each in ALL}


@pytest.mark.parametrize(
    ("open_ones", "known", "busy", "expected"),
    [
        (ALL[:7], KNOWN, [], []),  # there is a place
        (ALL, KNOWN, [], [7, 6, 5, 4]),  # the oldest, until half are left
        (ALL, KNOWN, [7, 5], [6, 4, 3, 2]),  # never one that is being answered
        (ALL, KNOWN - {(7, client(7))}, [], [6, 5, 4, 3]),  # nor one that has only just come
        (ALL, {(7, client(1))}, [], []),  # its descriptor was another's at the last look
        (ALL, KNOWN, list(range(PLACES)), []),
        (ALL, KNOWN, list(range(1, PLACES)), [0]),
    ],
)
def test_the_oldest_idle_ones_make_place(
    open_ones: list[Connection],
    known: set[tuple[int, Address]],
    busy: list[int],
    expected: list[int],
) -> None:
    """Where fewer than an eighth of all places are left."""
    closing = to_close(open_ones, known, [client(each) for each in busy], PLACES)
    assert [each.descriptor for each in closing] == expected


def test_who_is_silent_for_too_long_is_ended() -> None:
    """Unless a request of its is open, however long that takes."""
    busy = [client(7)]
    assert [each.descriptor for each in overdue(ALL, busy, 4.5)] == [5, 6]


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET if request.param == "127.0.0.1" else socket.AF_INET6
    with socket.create_server((request.param, 0), family=family) as listening:
        yield listening


def test_connections_are_found_among_all_descriptors(listening: socket.socket) -> None:
    """Those of one port, the server's ends; what else is open, of whatever kind, is none."""
    name = listening.getsockname()[:2]
    unix, other_unix = socket.socketpair()
    with (
        unix,
        other_unix,
        socket.create_connection(name) as first,
        socket.create_connection(name) as second,
    ):
        ends = [listening.accept()[0] for _ in range(2)]
        second.send(b"x")
        ends[1].recv(1)
        found = {each.descriptor: each for each in connections_at(name[1])}
        assert set(found) == {each.fileno() for each in ends}
        ports = [found[each.fileno()].client[1] for each in ends]
        assert ports == [each.getsockname()[1] for each in (first, second)]
        for each in ends:
            each.close()


def test_who_is_closed_sees_an_end_on_both_sides(listening: socket.socket) -> None:
    """The descriptor stays its owner's; and if it stands for another by now, that is left alone."""
    name = listening.getsockname()[:2]
    with socket.create_connection(name) as client, listening.accept()[0] as end:
        (found,) = connections_at(name[1])
        close(Connection(found.descriptor, (b"other", 1), 0.0))
        client.send(b"x")
        assert end.recv(2) == b"x"
        close(found)
        assert end.recv(1) == b""
        assert client.recv(1) == b""
    close(found)  # it is gone, which is no error
