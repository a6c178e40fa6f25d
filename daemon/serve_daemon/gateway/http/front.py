"""What stands between Granian and Falcon: keys, body limits, ids, clients that leave or stall."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from serve_daemon.gateway.common.asking import asking
from serve_daemon.gateway.common.deadline import Deadline
from serve_daemon.gateway.common.errors import ApiError, incomplete
from serve_daemon.gateway.http.admission import Admission
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.cors import preflight, reply_headers
from serve_daemon.gateway.http.error_shapes import error_body
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.limits import Disconnected, Intake, Receive, discard, read_body
from serve_daemon.gateway.http.stalls import Reader, StallWatch

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
CLOSE = (b"connection", b"close")
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
        self._intake = Intake()
        self._admission = Admission(conditions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["http_version"] == "1":  # as Granian names HTTP/1.0
            scope["http_version"] = "1.0"
        self._conditions.has_http2 |= scope["http_version"] == "2"
        exchange = scope["serve.exchange"] = Exchange(scope, scope["headers"])
        self._conditions.request_begins(exchange)
        reply = Reply(scope, send, self._conditions)
        refusal = self._admission.refusal(exchange, scope["headers"])
        with structlog.contextvars.bound_contextvars(**exchange.identity):
            try:
                if refusal is not None:
                    await reply.refuse(refusal)
                    await discard(receive, self._conditions.settings.max_body_size)
                elif not await reply.answer_preflight():
                    await self._answer_or_refuse(scope, receive, reply)
            finally:
                reply.end()
                exchange.end()
                self._conditions.request_ends(exchange)

    async def _answer_or_refuse(self, scope: Scope, receive: Receive, reply: "Reply") -> None:
        """Answer; where there is no time for that, say so, in the stream if it has begun."""
        exchange = reply.exchange
        if self._conditions.cut_by is not None:
            await reply.refuse(self._conditions.cut_by)
            return
        task = asyncio.current_task()
        exchange.on_cut(lambda: reply.interrupt(task))
        try:
            await self._answer(scope, receive, reply)
        except asyncio.CancelledError:
            if exchange.cut_by is None:
                raise
            if not exchange.status:
                await reply.refuse(exchange.cut_by)

    async def _answer(self, scope: Scope, receive: Receive, reply: "Reply") -> None:
        exchange = reply.exchange
        try:
            exchange.body = await read_body(
                receive, scope["headers"], self._conditions.settings, self._intake
            )
        except Disconnected:
            exchange.outcome = "disconnected"
            await reply.refuse(incomplete())  # to nobody, unless its chunks are malformed
            return
        except ApiError as error:
            await reply.refuse(error)
            return
        body = BodyReplay(exchange.body)
        with asking(exchange.asker):
            answering = asyncio.ensure_future(self._application(scope, body, reply.send))
        reply.on_stall = answering.cancel
        self._stalls.add(reply.reader)
        try:
            await _run_until_disconnect(answering, receive, exchange)
        finally:
            self._stalls.remove(reply.reader)
            body.end()


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
    """The inner application's `receive`: the body at once, and in the end that all is over."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._is_over = asyncio.Event()

    async def __call__(self) -> dict[str, Any]:
        if self._body is None:
            await self._is_over.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    def end(self) -> None:
        """Let go whoever waits for the client to leave: Falcon does, beside each stream."""
        self._is_over.set()


class Reply:
    """The inner application's `send`: marks each reply, and notices when nobody reads it."""

    def __init__(self, scope: Scope, send: Send, conditions: Conditions) -> None:
        self.exchange: Exchange = scope["serve.exchange"]
        self.reader = Reader(scope, self.stall)
        self.on_stall: Callable[[], object] = _do_nothing
        self._send = send
        self._conditions = conditions
        self._request_headers = scope["headers"]
        self._is_http1 = scope["http_version"].startswith("1")  # later ones close otherwise
        self._stall_limit = Deadline(self.stall)
        self._is_sending = False

    async def send(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self._mark(event)
        else:
            self.reader.line.sent_bytes += len(event.get("body", b""))
        self._stall_limit.set(self._conditions.settings.stall_timeout)
        self._is_sending = True
        try:
            await self._send(event)
        finally:
            self._is_sending = False
            self._stall_limit.lift()

    def _mark(self, event: dict[str, Any]) -> None:
        self.exchange.status = event["status"]
        exchange = self.exchange
        headers = [*event["headers"], (b"x-request-id", exchange.request_id.encode())]
        if exchange.is_anthropic:
            headers.append((b"request-id", exchange.request_id.encode()))
        headers.append((b"openai-processing-ms", str(exchange.milliseconds).encode()))
        if exchange.trace is not None:
            headers.append((b"traceresponse", exchange.trace.response))
        headers += reply_headers(self._request_headers, self._conditions.settings.cors_origins)
        is_last = self._conditions.leaving or self._conditions.settings.draining
        if is_last and self._is_http1 and CLOSE not in headers:
            headers.append(CLOSE)
        event["headers"] = headers

    def stall(self) -> None:
        self.exchange.outcome = "stalled"
        self.on_stall()

    def interrupt(self, task: asyncio.Task[Any] | None) -> None:
        """Cancel `task`, which answers, unless that would be amid an event."""
        if task is not None and not self._is_sending:
            task.cancel()

    def end(self) -> None:
        """Let go of the server's objects: a cycle of references would keep the connection open."""
        self.reader.on_stall = self.on_stall = _do_nothing
        self._stall_limit.close()

    async def refuse(self, error: ApiError) -> None:
        """Answer without the inner application; the rest of the request is not read."""
        self.exchange.error = error.body.code
        headers = [(b"content-type", b"application/json")]
        headers += [CLOSE] if self._is_http1 else []
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": error_body(error, self.exchange)})

    async def answer_preflight(self) -> bool:
        """Answer a browser that asks whether a page may ask; returns whether that is what it is."""
        origins = self._conditions.settings.cors_origins
        headers = preflight(self.exchange.method, self._request_headers, origins)
        if headers:
            await self.send({"type": "http.response.start", "status": 204, "headers": headers})
            await self.send({"type": "http.response.body", "body": b""})
        return bool(headers)


def _do_nothing() -> None:
    pass
