"""What clients of the WebSocket transport of /v1/responses send, and the errors that they get."""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from serve_daemon.api.errors import ErrorBody, InvalidRequest
from serve_daemon.api.fields import Field, as_object, boolean, only, read_object, text
from serve_daemon.api.requests import decode_body
from serve_daemon.api.responses import ResponsesRequest, responses_request

CREATE = "response.create"

# Beside those of POST /v1/responses; the transport itself streams.
ENVELOPE = {
    "type": Field(text, required=True),
    "stream_id": Field(text, note="marks all events of the response"),
    "generate": Field(boolean, "generate"),
    "stream": Field(only(True, reason="events are the only form here")),
    "background": Field(
        only(False, reason="a response belongs to its connection here; POST it instead")
    ),
}


class CreateMessage(Struct, frozen=True):
    """A response is wanted."""

    request: ResponsesRequest
    body: bytes  # as a POST would have it
    generate: bool = True  # else it is only made ready to be gone on from


class WebSocketError(Struct, frozen=True, kw_only=True):
    """A message was not understood, or its response was not begun."""

    type: str = "error"
    status: int
    error: ErrorBody
    # The same again, as an event of a stream has it.
    code: str | None
    message: str
    param: str | None
    sequence_number: int = 0
    stream_id: str | UnsetType = UNSET


def decoded(message: str | bytes) -> dict[str, Any]:
    """The object that a message is. Raises `InvalidRequest`."""
    raw = message.encode() if isinstance(message, str) else message
    return as_object(decode_body(raw), "")


def lane_of(message: dict[str, Any]) -> str | None:
    """What all that is answered to a message is to be marked with, be it understood or not."""
    lane = message.get("stream_id")
    return lane if isinstance(lane, str) else None


def read_message(message: dict[str, Any]) -> CreateMessage:
    """What a client wants. Raises `InvalidRequest`."""
    given = dict(message)
    envelope = {name: given.pop(name) for name in ENVELOPE if name in given}
    attributes = read_object(ENVELOPE, envelope)
    if envelope["type"] != CREATE:
        told = f"Unsupported event '{envelope['type']:.80}': this server knows '{CREATE}'."
        raise InvalidRequest(told, "type", "unsupported_event")
    streamed: dict[str, Any] = {**given, "stream": True}
    return CreateMessage(responses_request(streamed), msgspec.json.encode(streamed), **attributes)


def error_message(status: int, error: ErrorBody, stream_id: str | None) -> WebSocketError:
    """`stream_id`: the lane whose message it was, if it named one."""
    return WebSocketError(
        status=status,
        error=error,
        code=error.code,
        message=error.message,
        param=error.param,
        stream_id=UNSET if stream_id is None else stream_id,
    )
