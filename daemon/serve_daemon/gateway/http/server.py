"""Granian on a listening socket that somebody else has opened."""

import asyncio
import math
import os
import socket
from typing import Any

from granian import _granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server
from msgspec import Struct

from serve_daemon.gateway.http.tls import granian_context
from serve_daemon.wire.routing import TlsPair

BACKLOG = 1024
# Granian's own buffer for each connection; a small one shows early that a client stops reading.
BUFFER_BYTES = 32 * 1024
HTTP2_STREAMS = 256  # at once on one connection
HTTP2_WINDOW_BYTES = 256 * 1024  # of bodies that nobody has read yet


class Allowance(Struct, frozen=True):
    """What the clients of one listening socket may take."""

    connections: int
    silent_seconds: float  # for the head of a first, or of a next request


class InheritedServer(Server):  # type: ignore[misc] # Granian is not typed
    """Granian's embedded server, in this loop, accepting on `listening`."""

    def __init__(
        self,
        application: Any,
        listening: socket.socket,
        allowance: Allowance,
        tls: TlsPair | None = None,
    ) -> None:
        is_unix = listening.family == socket.AF_UNIX
        super().__init__(
            application,
            interface=Interfaces.ASGINL,
            # HTTP/2 too: by ALPN under TLS, else by prior knowledge. A proxy on this host has none.
            http=HTTPModes.http1 if is_unix else HTTPModes.auto,
            websockets=True,
            backlog=BACKLOG,
            backpressure=allowance.connections,
            http1_settings=HTTP1Settings(
                header_read_timeout=math.ceil(1000 * allowance.silent_seconds),
                max_buffer_size=BUFFER_BYTES,
            ),
            http2_settings=HTTP2Settings(
                initial_connection_window_size=HTTP2_WINDOW_BYTES,
                initial_stream_window_size=HTTP2_WINDOW_BYTES,
                max_concurrent_streams=HTTP2_STREAMS,
                max_headers_size=BUFFER_BYTES,
                max_send_buffer_size=BUFFER_BYTES,
            ),
            log_enabled=False,
        )
        self._listening = listening
        if tls is not None and not is_unix:
            self.ssl_ctx = granian_context(tls)

    def start(self) -> None:
        self._serving = asyncio.ensure_future(self.serve())

    async def end(self) -> None:
        """Close idle connections, and wait for the others to end."""
        self.stop()
        await self._serving

    def _init_shared_socket(self) -> None:
        """Adopt the socket; Granian itself can only open one."""
        is_unix = self._listening.family == socket.AF_UNIX
        self._sfd = self._listening.fileno()
        self._ssp = None
        self._shd = _granian.SocketHolder(self._sfd, is_unix, BACKLOG)  # type: ignore[call-arg]

    def accept_no_more(self) -> None:
        """Leave new connections to whoever else has the socket, without closing it.

        Granian goes on accepting on its file descriptor; so that becomes another socket, on which
        nobody ever connects.
        """
        with socket.socket(self._listening.family, socket.SOCK_STREAM) as dead:
            dead.bind("" if dead.family == socket.AF_UNIX else ("", 0))
            dead.listen(1)
            dead.setblocking(False)
            os.dup2(dead.fileno(), self._listening.fileno(), inheritable=False)
