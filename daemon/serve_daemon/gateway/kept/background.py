"""What stands for the HTTP exchange of a response that has none."""

from typing import Protocol

from serve_daemon.gateway.common.asking import asker
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.http.exchange import Exchange

OK = 200


class Ended(Protocol):
    """A response that was made."""

    exchange: Exchange
    error: ApiError | None
    is_left: bool


def background_exchange(request_id: str, host: str = "") -> Exchange:
    """For whoever asks now; `host`: from where, if that is known still."""
    scope: dict[str, object] = {"method": "POST", "path": "/v1/responses", "client": (host, 0)}
    exchange = Exchange(scope, [(b"x-request-id", request_id.encode())])
    exchange.asker = asker()
    return exchange


def end_in_background(run: Ended) -> None:
    """Free what it held, and write its record."""
    exchange = run.exchange
    exchange.outcome = "left to another worker" if run.is_left else "made in the background"
    exchange.status = OK if run.error is None else run.error.status
    exchange.error = None if run.error is None else run.error.body.code
    exchange.end()
