"""Where connections that are upgraded begin: who may have one, and which are open."""

from collections.abc import Iterable, Sequence
from typing import Any

from serve_daemon.api.errors import ErrorBody
from serve_daemon.gateway.common.errors import INVALID, ApiError, draining
from serve_daemon.gateway.http.admission import Admission
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.error_shapes import error_body
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.limits import Receive
from serve_daemon.gateway.http.stalls import StallWatch
from serve_daemon.gateway.responses.making import MakingResponses
from serve_daemon.gateway.responses.sockets import ResponseSocket, Send

PATH = "/v1/responses"
ANY = "*"


class WebSockets:
    """An ASGI application for scopes of type websocket."""

    def __init__(self, making: MakingResponses, conditions: Conditions, stalls: StallWatch) -> None:
        self._making = making
        self._conditions = conditions
        self._stalls = stalls
        self._admission = Admission(conditions)
        self._open: dict[ResponseSocket, Exchange] = {}

    def leave(self) -> None:
        """Have all clients go elsewhere, each once it has what it has asked for.

        Until it has been told so, its connection counts as an open request.
        """
        for connection, exchange in self._open.items():
            self._conditions.request_begins(exchange)
            connection.leave()

    def send_away(self) -> None:
        """Close every connection once its client has what it has asked for; others may come."""
        for connection in self._open:
            connection.leave()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        exchange = Exchange({**scope, "method": "GET"}, scope["headers"])
        refusal = self._refusal(exchange, scope)
        if refusal is not None:
            await _refuse(refusal, exchange, send)
            return
        await send({"type": "websocket.accept"})
        watchers = (self._conditions, self._stalls)
        connection = ResponseSocket(scope, send, exchange.asker, self._making, watchers)
        self._open[connection] = exchange
        try:
            await connection.run(receive)
        finally:
            del self._open[connection]
            if self._conditions.leaving:
                self._conditions.request_ends(exchange)

    def _refusal(self, exchange: Exchange, scope: dict[str, Any]) -> ApiError | None:
        """Why there is no connection; None where there may be one."""
        if exchange.path != PATH:
            return _error(404, f"There is no WebSocket at '{exchange.path:.80}', but at '{PATH}'.")
        if not may_connect(scope["headers"], self._conditions.settings.cors_origins):
            return _error(403, "Web pages of this origin may not connect: see cors_origins.")
        if self._conditions.leaving:
            return _error(503, "The server leaves; connect again.")
        if self._conditions.settings.draining:
            return draining()
        return self._admission.refusal(exchange, scope["headers"])


def may_connect(headers: Iterable[tuple[bytes, bytes]], allowed: Sequence[str]) -> bool:
    """A browser sends any page's messages to any server, so we look whose page it is."""
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    return ANY in allowed or all(each in allowed for each in origins)


def _error(status: int, message: str) -> ApiError:
    return ApiError(status, ErrorBody(message, INVALID))


async def _refuse(error: ApiError, exchange: Exchange, send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
    status = {"type": "websocket.http.response.start", "status": error.status, "headers": headers}
    await send(status)
    await send({"type": "websocket.http.response.body", "body": error_body(error, exchange)})
