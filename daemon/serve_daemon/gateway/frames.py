"""Server-sent events that are encoded once, and those whose greater part is."""

from typing import Any

import msgspec
from falcon.asgi import SSEvent

encode = msgspec.json.Encoder().encode


class Frame(SSEvent):
    """An event as the bytes that go out."""

    __slots__ = ("_bytes",)

    def __init__(self, frame: bytes) -> None:
        self._bytes = frame

    def serialize(self, handler: Any = None) -> bytes:  # noqa: ARG002 - Falcon's signature
        return self._bytes


WAITING = Frame(b": waiting\n\n")  # a comment: only shows that somebody is still there
DONE = Frame(b"data: [DONE]\n\n")


def data(value: object) -> Frame:
    """An event without a name."""
    return Frame(b"data: " + encode(value) + b"\n\n")


def named(name: str, value: object) -> Frame:
    return Frame(b"event: " + name.encode() + b"\ndata: " + encode(value) + b"\n\n")


PLACE = "\x00place\x00"  # in no model's name and in no id


def split_at_place(frame: Frame) -> tuple[bytes, bytes]:
    """What comes before and after the JSON string `PLACE`."""
    before, _, after = frame.serialize().partition(encode(PLACE))
    return before, after
