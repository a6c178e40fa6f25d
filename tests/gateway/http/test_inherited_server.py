"""The private seam of Granian that lets it serve a socket which it has not opened."""

import inspect
import socket

from granian._granian import SocketHolder
from granian.server.common import AbstractServer
from granian.server.embed import Server

from serve_daemon.gateway.http.server import Allowance, InheritedServer


def test_granian_still_has_the_seam() -> None:
    """If this fails, `InheritedServer` must be written anew for this version of Granian."""
    assert "self._init_shared_socket()" in inspect.getsource(Server.startup)
    source = inspect.getsource(AbstractServer._init_shared_socket)
    assert "self._shd = self._ssp.build()" in source
    assert "self._sfd = self._shd.get_fd()" in source
    assert "(self._ssp, self._shd)" in inspect.getsource(Server._spawn_worker)


async def test_the_socket_is_adopted_as_it_is() -> None:
    """Its file descriptor is Granian's, for TCP and Unix sockets."""
    for family in (socket.AF_INET, socket.AF_UNIX):
        with socket.socket(family) as listening:
            listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else "")
            listening.listen()
            server = InheritedServer(None, listening, Allowance(10, 1.5))
            server._init_shared_socket()
            assert isinstance(server._shd, SocketHolder)
            assert server._shd.get_fd() == listening.fileno()
            assert server._shd.is_uds() == (family == socket.AF_UNIX)
            assert server.backpressure == 10
            assert server.http1_settings.header_read_timeout == 1500


async def test_a_server_that_accepts_no_more_leaves_the_socket_open() -> None:
    """Whoever else has it gets the connections."""
    with socket.create_server(("127.0.0.1", 0)) as ours, ours.dup() as theirs:
        InheritedServer(None, theirs, Allowance(10, 1.5)).accept_no_more()
        with socket.create_connection(ours.getsockname()):
            accepted, _ = ours.accept()
            accepted.close()
        assert theirs.getsockname() != ours.getsockname()
