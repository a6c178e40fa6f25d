"""The end of a kept response whose beginning can't be told again: as it was kept last. Pure."""

from typing import Any

import msgspec

from serve_daemon.api.errors import ErrorBody
from serve_daemon.api.response_events import ErrorEvent
from serve_daemon.gateway.http.frames import encode, named

FAILURE = "server_error"  # of the codes that the specification has


def closed(response: bytes, number: int, error: ErrorBody | None) -> tuple[list[bytes], bytes]:
    """The last events, numbered from `number`, and the response: failed, or else cancelled."""
    told: dict[str, Any] = msgspec.json.decode(response)
    events = []
    name = "response.incomplete"
    told["status"] = "cancelled"
    if error is not None:
        name = "response.failed"
        told["status"] = "failed"
        told["error"] = {"code": FAILURE, "message": error.message}
        events.append(error_event(error, number))
    last = {"type": name, "response": told, "sequence_number": number + len(events)}
    events.append(named(name, last).serialize())
    return events, encode(told)


def error_event(error: ErrorBody, number: int) -> bytes:
    """What a stream is told that can't go on; whether the response does is another matter."""
    event = ErrorEvent(
        code=error.code,
        message=error.message,
        param=error.param,
        error=error,
        sequence_number=number,
    )
    return named(event.type, event).serialize()
