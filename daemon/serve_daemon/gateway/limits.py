"""What a client may cost before its request is known: the size and the time of a body."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from serve_daemon.gateway.errors import too_large, too_slow
from serve_daemon.wire.routing import GatewaySettings

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Disconnected(Exception):  # noqa: N818 - it names what happened
    """The client left while it sent its request."""


async def read_body(
    receive: Receive, headers: Iterable[tuple[bytes, bytes]], settings: GatewaySettings
) -> bytes:
    """The whole body of a request.

    Raises `ApiError` for one that is too large or too slow, `Disconnected` for one that is cut.
    """
    if _declared_bytes(headers) > settings.max_body_size:
        raise too_large(settings.max_body_size)
    try:
        async with asyncio.timeout(settings.body_timeout):
            return await _collect(receive, settings.max_body_size)
    except TimeoutError:
        raise too_slow(settings.body_timeout) from None


def _declared_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What Content-Length says; 0 where there is none (the body is counted as it comes)."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _collect(receive: Receive, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise Disconnected
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit_bytes:
            raise too_large(limit_bytes)
        if not event.get("more_body", False):
            return b"".join(parts)
