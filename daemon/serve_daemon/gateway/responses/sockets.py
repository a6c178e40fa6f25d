"""One WebSocket connection of /v1/responses: one response after another, each told as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog
from falcon.asgi import SSEvent

from serve_daemon.api.websocket_messages import (
    CreateMessage,
    decoded,
    error_message,
    lane_of,
    read_message,
)
from serve_daemon.gateway.common.asking import Asker, asking
from serve_daemon.gateway.common.deadline import Deadline
from serve_daemon.gateway.common.errors import as_api_error
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.http.limits import Receive
from serve_daemon.gateway.http.stalls import Reader, StallWatch
from serve_daemon.gateway.responses.local_history import LocalHistory
from serve_daemon.gateway.responses.making import MakingResponses
from serve_daemon.gateway.responses.socket_texts import response_in, text_of

MAX_WAITING_MESSAGES = 4
# Why a connection is closed: RFC 6455, 7.4.1, and the registry that it made.
GOING_AWAY, POLICY, TOO_BIG, TRY_AGAIN_LATER = 1001, 1008, 1009, 1013

Send = Callable[[dict[str, Any]], Awaitable[None]]


class ResponseSocket:
    """A client, and what it is being told."""

    def __init__(
        self,
        scope: dict[str, Any],
        send: Send,
        asker: Asker,
        making: MakingResponses,
        watchers: tuple[Conditions, StallWatch],
    ) -> None:
        self._scope = {**scope, "method": "POST"}
        self._send = send
        self._asker = asker
        self._making = making
        self._conditions, self._stalls = watchers
        self._history = LocalHistory(making.history)
        self._messages: asyncio.Queue[str | bytes | None] = asyncio.Queue(MAX_WAITING_MESSAGES)
        self._close_code = GOING_AWAY
        self._is_sending = False

    async def run(self, receive: Receive) -> None:
        """Answer until the client goes, or has to."""
        reading = asyncio.ensure_future(self._read(receive))
        answering = asyncio.ensure_future(self._answer_all())
        tasks = {reading, answering}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not reading.cancelled() and reading.result():
            return  # it has gone
        await self._send({"type": "websocket.close", "code": self._close_code})

    def leave(self) -> None:
        """Have the client go elsewhere, once it has what it has asked for."""
        if self._messages.full():
            self._messages.get_nowait()
        self._messages.put_nowait(None)

    async def _read(self, receive: Receive) -> bool:
        """Take messages in; returns whether the client has gone, else it has to."""
        while (event := await receive())["type"] != "websocket.disconnect":
            message = event.get("text") or event.get("bytes") or ""
            if len(message) > self._conditions.settings.max_body_size:
                self._close_code = TOO_BIG
                return False
            if self._messages.full():
                self._close_code = TRY_AGAIN_LATER
                return False
            self._messages.put_nowait(message)
        return True

    async def _answer_all(self) -> None:
        while (message := await self._messages.get()) is not None:
            exchange = Exchange(self._scope, [])
            exchange.asker = self._asker
            self._conditions.request_begins(exchange)
            identity = exchange.identity
            with asking(self._asker), structlog.contextvars.bound_contextvars(**identity):
                try:
                    await self._answer(message, exchange)
                finally:
                    exchange.end()
                    self._conditions.request_ends(exchange)
            if exchange.outcome == "stalled":
                self._close_code = POLICY
                return

    # ------------------------------------------------------------ one response

    async def _answer(self, message: str | bytes, exchange: Exchange) -> None:
        telling = asyncio.ensure_future(self._tell(message, exchange))

        def stall() -> None:
            exchange.outcome = "stalled"
            telling.cancel()

        reader = Reader(self._scope, stall)
        exchange.on_cut(lambda: None if self._is_sending else telling.cancel())
        self._stalls.add(reader)
        self._reader, self._stall_limit = reader, Deadline(stall)
        try:
            await asyncio.wait({telling})
        finally:
            self._stalls.remove(reader)
            self._stall_limit.close()
            if not telling.done():
                exchange.outcome = "disconnected"
                telling.cancel()
                await asyncio.wait({telling})
        if not telling.cancelled():
            telling.result()

    async def _tell(self, message: str | bytes, exchange: Exchange) -> None:
        stream_id = None
        try:
            exchange.raise_if_cut()
            given = decoded(message)
            stream_id = lane_of(given)
            await self._tell_response(read_message(given), stream_id, exchange)
        except Exception as error:  # noqa: BLE001 - it is told to the client
            self._history.forget()
            problem = as_api_error(error, exchange.request_id)
            exchange.status, exchange.error = problem.status, problem.body.code
            told = encode(error_message(problem.status, problem.body, stream_id))
            await self._say(told.decode())

    async def _tell_response(
        self, wanted: CreateMessage, stream_id: str | None, exchange: Exchange
    ) -> None:
        exchange.body = wanted.body
        request = await self._history.complete(wanted.request)
        wish = self._making.decided(request)
        events: AsyncIterator[SSEvent]
        if wanted.generate:
            events = await self._making.events(wish, exchange)
        else:
            events = self._making.ready(wish, exchange)
        exchange.status = 200
        async for event in events:
            text = text_of(event, stream_id)
            if text is None:
                continue
            if (response := response_in(event)) is not None:
                self._history.remember(wish.request, response)
            await self._say(text)

    async def _say(self, text: str) -> None:
        self._stall_limit.set(self._conditions.settings.stall_timeout)
        self._is_sending = True
        self._reader.line.sent_bytes += len(text)
        try:
            await self._send({"type": "websocket.send", "text": text})
        finally:
            self._is_sending = False
            self._stall_limit.lift()
