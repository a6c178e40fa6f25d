"""The control socket's server: its socket, its connections and the order of their answers."""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path

import structlog

from serve_daemon.control import protocol
from serve_daemon.control.protocol import ProtocolError, Request
from serve_daemon.control.service import Call, Handler, Peer, Service

__all__ = ["Call", "ControlServer", "Handler", "Peer", "SocketTaken", "bind"]

SOCKET_MODE = 0o660
CONNECT_TIMEOUT_SECONDS = 2.0
READ_BYTES = 64 * 1024
# A connection may send calls ahead of their answers, but not without end.
MAX_CALLS_AHEAD = 64
# Enough for a table to be looked at; a reader that is stopped for longer is let go.
WRITE_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()


class SocketTaken(Exception):  # noqa: N818 - it names what was found
    """The path of the control socket is in use, or not for us to use."""


def bind(path: Path) -> socket.socket:
    """A listening socket at `path`, open to its user and group alone.

    What a daemon that died left there is replaced. Raises `SocketTaken` if one that lives answers
    there, or if something else is in the place.
    """
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # Linux makes the file with the mode of the socket, so it is never open to others.
        os.fchmod(listener.fileno(), SOCKET_MODE)
        listener.bind(str(path))
        path.chmod(SOCKET_MODE)  # again, for what the umask took from the group
        listener.listen()
    except OSError as error:
        listener.close()
        raise SocketTaken(f"{path}: no control socket can be made here: {error}") from error
    return listener


def _clear(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_TIMEOUT_SECONDS)
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if not path.is_socket():
                raise SocketTaken(f"{path} is no socket: remove it or choose another") from None
            path.unlink(missing_ok=True)
            return
        except (TimeoutError, BlockingIOError):
            pass  # it listens, but has no time for us
        except OSError as error:
            raise SocketTaken(f"{path}: no control socket can be made here: {error}") from error
    raise SocketTaken(f"another daemon answers on {path}: stop it or choose another socket")


class ControlServer:
    """Answers on a listening socket from `start` to `close`."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        write_timeout_seconds: float = WRITE_TIMEOUT_SECONDS,
    ) -> None:
        self._service = Service(handlers)
        self._write_timeout_seconds = write_timeout_seconds
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_unix_server(self._accept, sock=listener)

    async def close(self) -> None:
        """Accept no more and end the streams; calls that are being answered get a moment."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections.values():
            connection.leave()
        if tasks := set(self._connections):
            _, late = await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self._service, reader, writer, self._write_timeout_seconds)
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)


class _Connection:
    """One client: its calls are read as they come and answered in their order."""

    def __init__(
        self,
        service: Service,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        write_timeout_seconds: float,
    ) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._write_timeout_seconds = write_timeout_seconds
        self._calls: asyncio.Queue[Request | None] = asyncio.Queue()
        self._has_left = False
        self._in_stream = False
        self._reading = asyncio.ensure_future(self._read_calls())
        self._answering = asyncio.ensure_future(self._answer_calls())

    async def serve(self) -> None:
        try:
            await asyncio.wait({self._reading})
            self.leave()
            await asyncio.wait({self._answering})
        finally:
            self._reading.cancel()
            self._answering.cancel()
            await asyncio.gather(self._reading, self._answering, return_exceptions=True)
            self._writer.close()

    def leave(self) -> None:
        """Answer what has been asked, but go on with no stream: nobody is there to read it."""
        self._has_left = True
        self._calls.put_nowait(None)
        self._reading.cancel()
        if self._in_stream:
            self._answering.cancel()

    async def _read_calls(self) -> None:
        receiver = protocol.Receiver(protocol.MAX_CALL_BYTES)
        try:
            while data := await self._reader.read(READ_BYTES):
                for message in receiver.feed(data):
                    self._enqueue(protocol.read_request(message))
        except ProtocolError as error:
            log.warning("control connection dropped", reason=str(error))
            self._answering.cancel()
        except ConnectionError as error:
            log.debug("control connection lost", reason=str(error))

    def _enqueue(self, request: Request) -> None:
        if self._calls.qsize() >= MAX_CALLS_AHEAD:
            raise ProtocolError(f"more than {MAX_CALLS_AHEAD} calls wait for an answer")
        self._calls.put_nowait(request)

    async def _answer_calls(self) -> None:
        peer = _peer(self._writer.get_extra_info("socket"))
        try:
            while request := await self._calls.get():
                if not (request.more and self._has_left):
                    await self._answer(request, peer)
        except TimeoutError:
            log.warning("control connection dropped", reason="it does not read", pid=peer.pid)
            self._writer.transport.abort()
        except ConnectionError as error:
            log.debug("control connection lost", reason=str(error), pid=peer.pid)
            self._writer.transport.abort()

    async def _answer(self, request: Request, peer: Peer) -> None:
        self._in_stream = request.more
        async with contextlib.aclosing(self._service.answer(request, peer)) as replies:
            async for reply in replies:
                if not request.oneway:
                    self._writer.write(reply)
                    async with asyncio.timeout(self._write_timeout_seconds):
                        await self._writer.drain()
        self._in_stream = False


def _peer(connection: socket.socket) -> Peer:
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return Peer(*struct.unpack("3i", credentials))
