"""The control socket's client, for programs that must start fast: plain sockets and json alone."""

import contextlib
import os
import select
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serve_daemon.control import protocol
from serve_daemon.control.protocol import INTERFACE, ControlError, ProtocolError, Request

__all__ = ["Client", "ControlError", "Unreachable"]

READ_BYTES = 64 * 1024


class Unreachable(Exception):  # noqa: N818 - it names what was found
    """No daemon answers on the socket; says why, and what to do."""


class Client:
    """One connection to a daemon, made at the first call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket: socket.socket | None = None
        self._receiver = protocol.Receiver(protocol.MAX_REPLY_BYTES)
        self._arrived: list[dict[str, Any]] = []

    def wait_for_exit(self) -> None:
        """Return when the process at the other end, to which a call was made, is gone."""
        assert self._socket is not None  # noqa: S101 - a call was sent on it
        credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(int.from_bytes(credentials[:4], sys.byteorder))
            select.select([descriptor], [], [])
            os.close(descriptor)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply's parameters.

        Raises `ControlError` if the daemon refuses, `Unreachable` if none answers.
        """
        self._send(Request(_full_name(method), parameters))
        reply = protocol.read_reply(self._next_message())
        if reply.error:
            raise ControlError(reply.error, reply.parameters)
        return reply.parameters

    def stream(self, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The parameters of each reply until the stream ends; raises as `call` does.

        The reply that ends a stream is passed on only if there is something in it.
        """
        self._send(Request(_full_name(method), parameters, more=True))
        continues = True
        while continues:
            reply = protocol.read_reply(self._next_message())
            if reply.error:
                raise ControlError(reply.error, reply.parameters)
            if reply.parameters:
                yield reply.parameters
            continues = reply.continues

    def _send(self, request: Request) -> None:
        if self._socket is None:
            self._socket = self._connect()
        try:
            self._socket.sendall(protocol.encode(request))
        except ConnectionError as error:
            raise self._lost() from error

    def _next_message(self) -> dict[str, Any]:
        assert self._socket is not None  # noqa: S101 - a call was sent on it
        while not self._arrived:
            try:
                data = self._socket.recv(READ_BYTES)
                self._arrived = self._receiver.feed(data)
            except ConnectionError as error:
                raise self._lost() from error
            except ProtocolError as error:
                raise Unreachable(f"{self.path}: no serve-daemon answers here: {error}") from error
            if not data:
                raise self._lost()
        return self._arrived.pop(0)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.path))
        except OSError as error:
            connection.close()
            raise Unreachable(f"{self.path}: {_advice(error)}") from error
        return connection

    def _lost(self) -> Unreachable:
        self.close()
        return Unreachable(f"{self.path}: the daemon closed the connection before it answered")


def _full_name(method: str) -> str:
    return method if "." in method else f"{INTERFACE}.{method}"


def _advice(error: OSError) -> str:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return "no daemon answers here: is serve-daemon running? Name its socket with --socket"
        case PermissionError():
            return "access denied: run this as root or as a member of the socket's group"
        case _:
            return f"cannot connect: {error.strerror or error}"
