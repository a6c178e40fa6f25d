"""Framed messages over asyncio: one `Peer` for each end of each conversation."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import msgspec

from serve_daemon.wire.framing import FramingError, Receiver, encode

T = TypeVar("T")

MAX_UNSENT_BYTES = 64 * 1024 * 1024  # of what may wait for a peer to read


class UnreadError(Exception):
    """The peer reads nothing of what it is sent: it has stopped, or is lost in something."""


class Peer(asyncio.Protocol, Generic[T]):
    """The other end of a conversation: `send` to it, and be called back with what it says.

    `on_message` is called once for each message, `on_lost` once, with the error if there was one;
    both in the event loop's thread. Sending to a peer that is gone does nothing: `on_lost` tells.
    A peer that leaves more than `max_unsent_bytes` unread is taken for gone, with `UnreadError`.
    """

    max_unsent_bytes = MAX_UNSENT_BYTES

    def __init__(
        self,
        kind: Any,  # the union of message types that the peer may send
        on_message: Callable[[T], None],
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        self._receiver: Receiver[T] = Receiver(msgspec.msgpack.Decoder(kind))
        self._encoder = msgspec.msgpack.Encoder()
        self._on_message = on_message
        self._on_lost = on_lost
        self._error: Exception | None = None
        self._transport: asyncio.Transport | None = None

    def send(self, message: object) -> None:
        if self.is_open:
            self.send_frame(encode(message, self._encoder))

    def send_frame(self, frame: bytes) -> None:
        """Send what is encoded already."""
        if self._transport is None or self._transport.is_closing():
            return
        if self.unsent_bytes > self.max_unsent_bytes:
            self._error = UnreadError(f"the peer has left {self.unsent_bytes} bytes unread")
            self.abort()
        else:
            self._transport.write(frame)

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Send what is buffered, then end the conversation; `on_lost` follows."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the conversation at once, dropping what is buffered; `on_lost` follows."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def unsent_bytes(self) -> int:
        """How much waits for the peer to read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._receiver.feed(data):
                self._on_message(message)
        except FramingError as error:
            self._error = error
            if self._transport is not None:
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self._error or exc)


async def adopt(peer: Peer[T], connected: socket.socket) -> Peer[T]:
    """Let `peer` speak over a socket that is connected already."""
    connected.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: peer, sock=connected)
    return peer


async def connect(peer: Peer[T], path: str) -> Peer[T]:
    """Connect `peer` to the Unix socket at `path`.

    Raises `OSError` where nobody listens.
    """
    await asyncio.get_running_loop().create_unix_connection(lambda: peer, path)
    return peer


async def listen(make_peer: Callable[[], Peer[T]], listening: socket.socket) -> asyncio.Server:
    """Make a peer for each connection to a Unix socket that listens already."""
    return await asyncio.get_running_loop().create_unix_server(make_peer, sock=listening)
