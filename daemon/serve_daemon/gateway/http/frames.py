"""Server-sent events that are encoded once, and those whose greater part is."""

import secrets
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


class Template:
    """A frame but for the texts that stand in it in place of the JSON strings `PLACE`."""

    def __init__(self, frame: Frame) -> None:
        self._parts = frame.serialize().split(encode(PLACE))

    def fill(self, text: str) -> Frame:
        return Frame(encode(text).join(self._parts))


BLOCK_BYTES = 64  # what is of equally many blocks can't be told apart by who sees lengths alone
END = b"}\n\n"


def obfuscated(frame: Frame) -> Frame:
    """The event with so much noise that its length is one of few."""
    event = frame.serialize().removesuffix(END) + b',"obfuscation":"'
    missing = -(len(event) + len(b'"' + END)) % BLOCK_BYTES
    return Frame(event + secrets.token_hex(BLOCK_BYTES)[:missing].encode() + b'"' + END)
