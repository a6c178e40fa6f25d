"""A peer that other threads than the event loop's may send to, without waiting for the loop.

A hand-over to the loop costs two changes of threads, and what is handed over waits for the
interpreter. So a frame is written where it is made, as long as the kernel takes it at once; what
it doesn't take goes the loop's way, and all that is sent before that is written goes behind it.
"""

import asyncio
import os
import socket
import threading
from typing import Any, TypeVar

from serve_daemon.wire.framing import encode
from serve_daemon.wire.transport import Peer

T = TypeVar("T")


class ThreadedPeer(Peer[T]):
    """As `Peer`; any thread may call `send`. What is sent arrives whole, in the order of calls."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._lock = threading.Lock()  # held for moments: nothing in it waits
        self._socket: socket.socket | None = None  # for writing; the transport's own is the loop's
        self._num_handed_over = 0  # frames, whole or in part, that the loop has not written yet
        self._is_backed_up = False  # the transport holds what the kernel did not take

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._loop = asyncio.get_running_loop()
        descriptor = os.dup(transport.get_extra_info("socket").fileno())
        with self._lock:
            self._socket = socket.socket(fileno=descriptor)
            self._socket.setblocking(False)

    def connection_lost(self, exc: Exception | None) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = None
        super().connection_lost(exc)

    def send(self, message: object) -> None:
        frame = encode(message, self._encoder)
        with self._lock:
            if self._socket is None:
                return
            if not (self._num_handed_over or self._is_backed_up):
                frame = frame[_taken_at_once(self._socket, frame) :]
                if not frame:
                    return
            self._num_handed_over += 1
            # Within the lock, or the frame of another thread could overtake this one.
            self._loop.call_soon_threadsafe(self._write, frame)

    def _write(self, frame: bytes) -> None:
        with self._lock:
            self._num_handed_over -= 1
            self.send_frame(frame)
            self._is_backed_up = self.unsent_bytes > 0


def _taken_at_once(connected: socket.socket, frame: bytes) -> int:
    """How many bytes the kernel took; all of them where nobody will read any."""
    try:
        return connected.send(frame)
    except BlockingIOError:
        return 0
    except OSError:
        return len(frame)  # the loop finds out, and tells
