"""Frames on a byte stream: four bytes of length, big-endian, then the msgpack. No IO here."""

from typing import Generic, TypeVar

import msgspec

HEADER_BYTES = 4
MAX_FRAME_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


class FramingError(Exception):
    """The peer sent what is no frame of this conversation; the connection is of no more use."""


def encode(message: object, encoder: msgspec.msgpack.Encoder) -> bytes:
    """The frame of `message`.

    Raises `FramingError` if it is larger than `MAX_FRAME_BYTES`.
    """
    frame = bytearray(HEADER_BYTES)
    encoder.encode_into(message, frame, HEADER_BYTES)
    size = len(frame) - HEADER_BYTES
    if size > MAX_FRAME_BYTES:
        raise FramingError(f"a message of {size} bytes is larger than {MAX_FRAME_BYTES}")
    frame[:HEADER_BYTES] = size.to_bytes(HEADER_BYTES, "big")
    return bytes(frame)


class Receiver(Generic[T]):
    """Bytes in, messages out."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[T]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """The messages that `data` completes, in order.

        Raises `FramingError` for a frame that is too large or of another conversation.
        """
        self._buffer += data
        messages: list[T] = []
        start = 0
        while (end := self._frame_end(start)) <= len(self._buffer):
            messages.append(self._decode(start + HEADER_BYTES, end))
            start = end
        del self._buffer[:start]
        return messages

    def _frame_end(self, start: int) -> int:
        """Where the frame that begins at `start` ends; beyond the buffer if it isn't all there."""
        body = start + HEADER_BYTES
        if body > len(self._buffer):
            return body
        size = int.from_bytes(self._buffer[start:body], "big")
        if size > MAX_FRAME_BYTES:
            raise FramingError(f"a frame of {size} bytes is larger than {MAX_FRAME_BYTES}")
        return body + size

    def _decode(self, start: int, end: int) -> T:
        try:
            return self._decoder.decode(memoryview(self._buffer)[start:end])
        except msgspec.MsgspecError as error:
            raise FramingError(f"not a message of this conversation: {error}") from error
