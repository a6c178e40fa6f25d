"""What stands between Granian and Falcon: body limits, request ids, clients that leave or stall."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from serve_daemon.gateway.conditions import Conditions
from serve_daemon.gateway.errors import ApiError
from serve_daemon.gateway.exchange import Exchange
from serve_daemon.gateway.limits import Disconnected, Receive, read_body
from serve_daemon.gateway.stalls import Reader, StallWatch

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """An ASGI application around another one, which it runs in a task of its own.

    That task is cancelled when the client disconnects, or leaves what it is sent unread for
    `stall_timeout`; so whatever the inner application awaits ends there.
    """

    def __init__(
        self, application: Application, conditions: Conditions, stalls: StallWatch
    ) -> None:
        self._application = application
        self._conditions = conditions
        self._stalls = stalls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["http_version"] == "1":  # as Granian names HTTP/1.0
            scope["http_version"] = "1.0"
        exchange = scope["serve.exchange"] = Exchange(scope, scope["headers"])
        self._conditions.request_begins()
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            try:
                await self._answer(scope, receive, Reply(exchange, send, self._conditions))
            finally:
                exchange.end()
                self._conditions.request_ends(exchange.status)

    async def _answer(self, scope: Scope, receive: Receive, reply: "Reply") -> None:
        exchange = reply.exchange
        try:
            exchange.body = await read_body(receive, scope["headers"], self._conditions.settings)
        except Disconnected:
            exchange.outcome = "disconnected"
            return
        except ApiError as error:
            await reply.refuse(error)
            return
        answering = asyncio.ensure_future(
            self._application(scope, BodyReplay(exchange.body), reply.send)
        )
        reply.on_stall = answering.cancel
        reader = Reader(scope, reply.stall)
        self._stalls.add(reader)
        try:
            await _run_until_disconnect(answering, receive, exchange)
        finally:
            self._stalls.remove(reader)


async def _run_until_disconnect(
    answering: asyncio.Future[None], receive: Receive, exchange: Exchange
) -> None:
    """Await the reply, or end it when the client goes."""
    watching = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({answering, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            exchange.outcome = "disconnected"
    finally:
        watching.cancel()
        answering.cancel()
        await asyncio.wait({answering})
    if not answering.cancelled():
        answering.result()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class BodyReplay:
    """The inner application's `receive`: the body at once, and then nothing for ever."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body

    async def __call__(self) -> dict[str, Any]:
        if self._body is None:
            await asyncio.get_running_loop().create_future()  # cancelled with the reply
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class Reply:
    """The inner application's `send`: marks each reply, and notices when nobody reads it."""

    def __init__(self, exchange: Exchange, send: Send, conditions: Conditions) -> None:
        self.exchange = exchange
        self.on_stall: Callable[[], object] = lambda: None
        self._send = send
        self._conditions = conditions
        self._loop = asyncio.get_running_loop()

    async def send(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self._mark(event)
        timer = self._loop.call_later(self._conditions.settings.stall_timeout, self.stall)
        try:
            await self._send(event)
        finally:
            timer.cancel()

    def _mark(self, event: dict[str, Any]) -> None:
        self.exchange.status = event["status"]
        headers = [*event["headers"], (b"x-request-id", self.exchange.request_id.encode())]
        if self._conditions.leaving:
            headers.append((b"connection", b"close"))
        event["headers"] = headers

    def stall(self) -> None:
        self.exchange.outcome = "stalled"
        self.on_stall()

    async def refuse(self, error: ApiError) -> None:
        """Answer without the inner application; the rest of the request is not read."""
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": error.reply})
