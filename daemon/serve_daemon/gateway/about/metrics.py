"""GET and HEAD of the page of metrics, at the API's addresses or at addresses of its own."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import falcon.asgi

from serve_daemon.control.async_client import AsyncClient, ControlError, Unreachable
from serve_daemon.gateway.common.errors import ApiError, metrics_unavailable
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.server import Allowance, InheritedServer
from serve_daemon.wire.routing import GatewaySettings

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text"
PATIENCE_SECONDS = 5.0  # half of what Prometheus has
CONNECTIONS = 64  # at each address that is for metrics alone
HEALTH = b'{"status":"ok"}'

Send = Callable[[dict[str, Any]], Awaitable[None]]


class MetricsPage:
    """The text, which the supervisor makes; it is asked once however many want it at a time."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._asking: asyncio.Task[str] | None = None

    async def read(self, accept: str) -> tuple[str, bytes]:
        """Its media type, as whoever asks takes it, and the page. Raises `ApiError` 503."""
        text = await self._text()
        if OPEN_METRICS in accept:
            media_type = f"{OPEN_METRICS}; version=1.0.0; charset=utf-8"
            return media_type, "".join(as_open_metrics(text)).encode()
        return PROMETHEUS, text.encode()

    async def _text(self) -> str:
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())
            self._asking.add_done_callback(self._forget)
        try:
            return await asyncio.shield(self._asking)
        except (Unreachable, ControlError, TimeoutError) as error:
            raise metrics_unavailable(str(error) or "the daemon does not answer") from error

    async def _ask(self) -> str:
        path = self._conditions.settings.control_socket
        if not path:
            raise Unreachable("the gateway knows no control socket")
        async with asyncio.timeout(PATIENCE_SECONDS):
            reply = await AsyncClient(Path(path)).call("Metrics")
        return str(reply["text"])

    def _forget(self, asking: asyncio.Task[str]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # whoever waited has it; where nobody does any more, it is no news


class Metrics:
    """Answers beside the API, so that a key is needed where that needs one."""

    def __init__(self, page: MetricsPage) -> None:
        self._page = page

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        exchange: Exchange = request.scope["serve.exchange"]
        exchange.is_probe = True
        response.content_type, response.data = await self._page.read(request.accept)

    on_head = on_get


class MetricsListener:
    """A whole ASGI application for addresses where there is nothing but metrics and /health."""

    def __init__(self, page: MetricsPage, path: str) -> None:
        self._page = page
        self._path = path

    async def __call__(self, scope: dict[str, Any], _receive: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, media_type, body = await self._answer(scope)
        headers = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = body if scope["method"] == "GET" else b""
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any]) -> tuple[int, str, bytes]:
        """Status, media type, body."""
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "text/plain", b"GET or HEAD\n"
        if scope["path"] == "/health":
            return 200, "application/json", HEALTH
        if scope["path"] != self._path:
            return 404, "text/plain", f"metrics are at {self._path}\n".encode()
        accept = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
        try:
            media_type, body = await self._page.read(", ".join(accept))
        except ApiError as error:
            return error.status, "text/plain", f"{error}\n".encode()
        return 200, media_type, body


def metrics_servers(
    page: MetricsPage, settings: GatewaySettings, listening: Iterable[socket.socket]
) -> list[InheritedServer]:
    """Those of the addresses that are for metrics alone."""
    application = MetricsListener(page, settings.metrics_path)
    allowance = Allowance(CONNECTIONS, settings.keep_alive_timeout)
    return [InheritedServer(application, each, allowance) for each in listening]


def as_open_metrics(text: str) -> Iterator[str]:
    """The same in OpenMetrics 1.0: there a family of counters is named without `_total`."""
    counters = {
        name
        for head, _, name_and_kind in (line.partition("# TYPE ") for line in text.splitlines())
        for name, _, kind in (name_and_kind.partition(" "),)
        if not head and kind == "counter"
    }
    for line in text.splitlines(keepends=True):
        words = line.split(" ", 3)
        if words[0] == "#" and words[2] in counters:
            words[2] = words[2].removesuffix("_total")
        yield " ".join(words)
    yield "# EOF\n"
