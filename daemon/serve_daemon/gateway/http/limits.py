"""What clients may cost before their requests are known: the size and the time of their bodies."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from serve_daemon.gateway.common.errors import overloaded, too_large, too_slow
from serve_daemon.wire.routing import GatewaySettings

# So much of each body is free; what comes beyond is counted, and all of that has a limit.
FREE_BYTES = 16 * 1024
LARGEST_AT_ONCE = 32  # bodies of the largest size
LINGER_SECONDS = 5.0

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Disconnected(Exception):  # noqa: N818 - it names what happened
    """The client left while it sent its request."""


class Intake:
    """What all bodies hold that are on their way."""

    def __init__(self) -> None:
        self.held_bytes = 0

    def hold(self, size: int, limit_bytes: int) -> None:
        """Raises `ApiError` 503 where it would be too much in all."""
        if self.held_bytes + size > limit_bytes:
            raise overloaded()
        self.held_bytes += size

    def release(self, size: int) -> None:
        self.held_bytes -= size


async def read_body(
    receive: Receive,
    headers: Iterable[tuple[bytes, bytes]],
    settings: GatewaySettings,
    intake: Intake,
) -> bytes:
    """The whole body of a request.

    Raises `ApiError` for one that is too large, too slow, or too much beside the others,
    `Disconnected` for one that is cut.
    """
    if _declared_bytes(headers) > settings.max_body_size:
        raise too_large(settings.max_body_size)
    try:
        async with asyncio.timeout(settings.body_timeout):
            return await _collect(receive, settings.max_body_size, intake)
    except TimeoutError:
        raise too_slow(settings.body_timeout) from None


async def discard(receive: Receive, limit_bytes: int) -> None:
    """Take in what a refused client is sending still, for a moment.

    Where the connection is closed over it, the client hears of that and not of the refusal.
    """
    size = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while size < limit_bytes:
                event = await receive()
                if not event.get("more_body", False):
                    return
                size += len(event["body"])


def _declared_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What Content-Length says; 0 where there is none (the body is counted as it comes)."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _collect(receive: Receive, limit_bytes: int, intake: Intake) -> bytes:
    parts: list[bytes] = []
    size = held = 0
    try:
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                raise Disconnected
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > limit_bytes:
                raise too_large(limit_bytes)
            if size - held > FREE_BYTES:
                intake.hold(size - held, LARGEST_AT_ONCE * limit_bytes)
                held = size
            if not event.get("more_body", False):
                return b"".join(parts)
    finally:
        intake.release(held)
