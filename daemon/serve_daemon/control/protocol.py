"""The varlink protocol: calls and replies as values, and as JSON ended by NUL. No IO here."""

import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

END = b"\0"
MAX_CALL_BYTES = 1024 * 1024
MAX_REPLY_BYTES = 16 * 1024 * 1024

INTERFACE = "io.servedaemon.Control"
UNKNOWN_MODEL = f"{INTERFACE}.UnknownModel"
CONFIG_REFUSED = f"{INTERFACE}.ConfigRefused"
RELOAD_FAILED = f"{INTERFACE}.ReloadFailed"
OPERATION_FAILED = f"{INTERFACE}.OperationFailed"

SERVICE = "org.varlink.service"
INTERFACE_NOT_FOUND = f"{SERVICE}.InterfaceNotFound"
METHOD_NOT_FOUND = f"{SERVICE}.MethodNotFound"
METHOD_NOT_IMPLEMENTED = f"{SERVICE}.MethodNotImplemented"
INVALID_PARAMETER = f"{SERVICE}.InvalidParameter"
EXPECTED_MORE = f"{SERVICE}.ExpectedMore"


class ProtocolError(Exception):
    """The peer does not speak varlink; the connection is of no more use."""


class ControlError(Exception):
    """A call's answer is this error of an interface, by its full name."""

    def __init__(self, name: str, parameters: dict[str, Any] | None = None) -> None:
        self.name = name
        self.parameters = parameters or {}
        details = ", ".join(f"{key}={value!r}" for key, value in self.parameters.items())
        super().__init__(f"{name}({details})")


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it stands on the wire."""

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    more: bool = False
    oneway: bool = False
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it stands on the wire; one with `continues` is followed by another."""

    parameters: dict[str, Any] = field(default_factory=dict)
    continues: bool = False
    error: str = ""


class Receiver:
    """Bytes in, JSON objects out."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that `data` completes, in order.

        Raises `ProtocolError` for one that is too large or no JSON object.
        """
        searched = len(self._buffer)
        self._buffer += data
        messages: list[dict[str, Any]] = []
        start = 0
        while (end := self._buffer.find(END, max(start, searched))) >= 0:
            self._require_size(end - start)
            messages.append(_decode(bytes(self._buffer[start:end])))
            start = end + 1
        del self._buffer[:start]
        self._require_size(len(self._buffer))
        return messages

    def _require_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ProtocolError(f"a message is larger than {self._max_bytes} bytes")


def read_request(message: dict[str, Any]) -> Request:
    """The call that `message` is, or `ProtocolError`."""
    method = _taken(message, "method", "")
    if "." not in method:
        raise ProtocolError("a call names no method of an interface")
    return Request(
        method,
        _taken(message, "parameters", {}),
        more=_taken(message, "more", False),
        oneway=_taken(message, "oneway", False),
        upgrade=_taken(message, "upgrade", False),
    )


def read_reply(message: dict[str, Any]) -> Reply:
    """The reply that `message` is, or `ProtocolError`."""
    return Reply(
        _taken(message, "parameters", {}),
        continues=_taken(message, "continues", False),
        error=_taken(message, "error", ""),
    )


def encode(message: Request | Reply) -> bytes:
    """The bytes of `message`, without the flags that are not set."""
    fields = {name: getattr(message, name) for name in message.__slots__}
    kept = {name: value for name, value in fields.items() if value or name == "parameters"}
    # ASCII only, so that no locale of a reader matters and a NUL in a string becomes \u0000.
    return json.dumps(kept, separators=(",", ":"), allow_nan=False).encode() + END


def _taken(message: dict[str, Any], name: str, default: T) -> T:
    value = message.get(name)
    if value is None:
        return default
    if type(value) is not type(default):
        raise ProtocolError(f"{name!r} of a message is a {type(value).__name__}")
    return value


def _decode(text: bytes) -> dict[str, Any]:
    try:
        message = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise ProtocolError("a message is no JSON object")
    return message
