"""Web pages that use the API from a browser: what theirs is told (the Fetch standard, 3.3)."""

from collections.abc import Iterable, Sequence

Headers = list[tuple[bytes, bytes]]

ANY = "*"
METHODS = b"GET, HEAD, POST, DELETE, OPTIONS"
# Those that clients read; a page sees no others.
EXPOSED = b"X-Request-Id, Retry-After, Openai-Processing-Ms, Traceresponse"
PREFLIGHT_SECONDS = b"600"


def reply_headers(request: Iterable[tuple[bytes, bytes]], allowed: Sequence[str]) -> Headers:
    """What lets the page that asks read the reply; nothing where it may not."""
    origin = _header(request, b"origin")
    if not allowed:
        return []
    vary = [] if ANY in allowed else [(b"vary", b"Origin")]
    if not _is_allowed(origin, allowed):
        return vary
    echoed = b"*" if ANY in allowed else origin
    return [
        (b"access-control-allow-origin", echoed),
        (b"access-control-expose-headers", EXPOSED),
        *vary,
    ]


def preflight(
    method: str, request: Sequence[tuple[bytes, bytes]], allowed: Sequence[str]
) -> Headers:
    """The headers that answer a browser which asks before it asks; nothing where it is not that."""
    is_asked = method == "OPTIONS" and _header(request, b"access-control-request-method")
    if not is_asked or not _is_allowed(_header(request, b"origin"), allowed):
        return []
    headers = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    ]
    # Whatever clients send: SDKs have dozens of headers of their own, and none of them is secret.
    if wanted := _header(request, b"access-control-request-headers"):
        headers.append((b"access-control-allow-headers", wanted))
    return headers


def _is_allowed(origin: bytes, allowed: Sequence[str]) -> bool:
    return bool(origin) and (ANY in allowed or origin.decode("latin-1") in allowed)


def _header(request: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in request if name == wanted), b"")
