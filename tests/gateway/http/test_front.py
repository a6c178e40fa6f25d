"""What stands before Falcon, with an application and a server of the test's own."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
import structlog

from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.front import Application, Front
from serve_daemon.gateway.http.keys import Keys
from serve_daemon.gateway.http.stalls import StallWatch
from serve_daemon.wire.routing import GatewaySettings, KeyGrant

Event = dict[str, Any]


class Connection:
    """The server's side of one request."""

    def __init__(self, body: bytes = b"{}") -> None:
        self.scope: Event = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": "/",
            "headers": [(b"content-length", str(len(body)).encode())],
            "client": ("", "0"),
        }
        self.sent: list[Event] = []
        self.disconnect = asyncio.Event()
        self._body: bytes | None = body

    async def receive(self) -> Event:
        if self._body is None:
            await self.disconnect.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, event: Event) -> None:
        self.sent.append(event)

    async def never_send(self, _event: Event) -> None:
        await asyncio.Event().wait()

    @property
    def exchange(self) -> Exchange:
        exchange: Exchange = self.scope["serve.exchange"]
        return exchange


def front_of(application: Application, stall_timeout: float = 60.0) -> Front:
    conditions = Conditions(GatewaySettings(stall_timeout=stall_timeout))
    return Front(application, conditions, StallWatch(conditions))


async def answer(_scope: Event, receive: Any, send: Any) -> None:
    event = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": event["body"]})


async def test_a_request_is_answered_by_the_inner_application() -> None:
    """With the whole body, and the request's id in the reply."""
    connection = Connection(b'{"a":1}')
    await front_of(answer)(connection.scope, connection.receive, connection.send)
    start, body = connection.sent
    assert body["body"] == b'{"a":1}'
    assert (b"x-request-id", connection.exchange.request_id.encode()) in start["headers"]
    assert (connection.exchange.status, connection.exchange.outcome) == (200, "answered")


@pytest.mark.parametrize("body", [b"{}", b" " * 10**8])
async def test_nothing_of_the_server_is_kept(body: bytes) -> None:
    """Granian may close a connection only when its object is gone: no cycle may keep it."""
    connection = Connection(body)
    gone = weakref.ref(connection)
    gc.disable()
    try:
        await front_of(answer)(connection.scope, connection.receive, connection.send)
        del connection
        assert gone() is None
    finally:
        gc.enable()


async def test_ten_thousand_wrong_keys_are_no_work() -> None:
    """No body is awaited before such a request is refused, nobody else sees it, none is kept."""

    async def nothing(*_arguments: Any) -> None:
        raise AssertionError("it was let in")

    async def receive() -> Event:
        assert connection.sent, "its body was awaited"
        return {"type": "http.disconnect"}

    front = front_of(nothing)
    front._conditions.keys = Keys([KeyGrant("one", [b"x" * 32], [])])
    with structlog.testing.capture_logs() as lines:
        for number in range(10_000):
            connection = Connection()
            connection.scope["headers"].append((b"authorization", b"Bearer %d" % number))
            await front(connection.scope, receive, connection.send)
            assert connection.exchange.status == 401
    assert front._conditions.open_requests == 0
    assert front._intake.held_bytes == 0
    # One line for each, and at level debug, where it is asked for: nobody does by default.
    assert {each["log_level"] for each in lines if each["event"] == "request"} == {"debug"}


async def test_everything_ends_when_the_client_leaves() -> None:
    """The application, whatever it waits for, its own watcher, and what was to be closed."""
    history: list[str] = []
    begun = asyncio.Event()
    watchers: list[asyncio.Task[None]] = []

    async def watch(receive: Any) -> None:
        assert (await receive())["type"] == "http.disconnect"
        history.append("watcher ended")

    async def wait_for_ever(scope: Event, receive: Any, _send: Any) -> None:
        await receive()
        exchange: Exchange = scope["serve.exchange"]
        exchange.on_end(lambda: history.append("closed"))
        watchers.append(asyncio.create_task(watch(receive)))
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            history.append("application ended")

    connection = Connection()
    front = front_of(wait_for_ever)
    answering = asyncio.create_task(front(connection.scope, connection.receive, connection.send))
    await begun.wait()
    connection.disconnect.set()
    await answering
    await watchers[0]
    assert history == ["application ended", "closed", "watcher ended"]
    assert connection.exchange.outcome == "disconnected"


async def test_a_send_that_does_not_end_is_a_stalled_client() -> None:
    """The application is cancelled where it sends."""
    connection = Connection()
    front = front_of(answer, stall_timeout=0.001)
    await front(connection.scope, connection.receive, connection.never_send)
    assert (connection.exchange.outcome, connection.exchange.status) == ("stalled", 499)


async def test_an_exception_of_the_application_reaches_the_server() -> None:
    """Which ends the connection; the request is over all the same."""
    closed: list[str] = []

    async def fail(scope: Event, _receive: Any, _send: Any) -> None:
        scope["serve.exchange"].on_end(lambda: closed.append("it"))
        raise ZeroDivisionError

    connection = Connection()
    with pytest.raises(ZeroDivisionError):
        await front_of(fail)(connection.scope, connection.receive, connection.send)
    assert closed == ["it"]


async def test_a_leaving_gateway_closes_connections() -> None:
    """The client's next request goes to another one."""
    conditions = Conditions(GatewaySettings())
    conditions.leave()
    connection = Connection()
    front = Front(answer, conditions, StallWatch(conditions))
    await front(connection.scope, connection.receive, connection.send)
    assert (b"connection", b"close") in connection.sent[0]["headers"]
