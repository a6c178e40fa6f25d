"""Events of a stream as the messages of a WebSocket. Pure."""

import msgspec
from falcon.asgi import SSEvent
from msgspec import Raw, Struct

from serve_daemon.gateway.http.frames import DONE, encode

DATA = b"data: "
COMMENT = b":"
LAST_EVENTS = (b"event: response.completed\n", b"event: response.incomplete\n")


class _Ended(Struct):
    response: Raw


def text_of(event: SSEvent, stream_id: str | None) -> str | None:
    """The JSON of an event, marked with its lane; None for what only a stream needs."""
    frame = event.serialize()
    if frame.startswith(COMMENT) or event is DONE:
        return None
    told = frame.partition(DATA)[2].rstrip(b"\n")
    if stream_id is not None:
        told = told[:-1] + b',"stream_id":' + encode(stream_id) + b"}"
    return told.decode()


def response_in(event: SSEvent) -> bytes | None:
    """The response that an event ends; None where it ends none that can be gone on from."""
    frame = event.serialize()
    if not frame.startswith(LAST_EVENTS):
        return None
    told = frame.partition(DATA)[2]
    return bytes(msgspec.json.decode(told, type=_Ended).response)
