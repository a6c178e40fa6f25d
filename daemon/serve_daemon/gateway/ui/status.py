"""GET of /ui/status, the state now, and of /ui/events, the state as it changes."""

from collections.abc import AsyncIterator, Iterator

import falcon.asgi
from falcon.asgi import SSEvent

from serve_daemon.control.async_client import ControlError, Unreachable
from serve_daemon.gateway.common.asking import Asker
from serve_daemon.gateway.common.errors import unavailable
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode, named
from serve_daemon.gateway.ui.page import require_ui
from serve_daemon.gateway.ui.snapshots import Snapshot, event_seen_by, seen_by, take
from serve_daemon.gateway.ui.watching import Watching

HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Status:
    """One snapshot."""

    def __init__(self, conditions: Conditions, watching: Watching) -> None:
        self._conditions = conditions
        self._watching = watching

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_ui(self._conditions)
        exchange: Exchange = request.scope["serve.exchange"]
        try:
            snapshot = await take(self._watching.client())
        except (Unreachable, ControlError) as error:
            raise unavailable(f"The daemon does not tell its state: {error}") from error
        response.set_headers(HEADERS)
        response.data = encode(seen_by(snapshot, exchange.asker))


class Events:
    """A stream of what happens, and of snapshots: one every two seconds at least."""

    def __init__(self, conditions: Conditions, watching: Watching) -> None:
        self._conditions = conditions
        self._watching = watching

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        require_ui(self._conditions)
        exchange: Exchange = request.scope["serve.exchange"]
        self._watching.begin()
        exchange.on_end(self._watching.end)
        response.set_headers(HEADERS)
        response.sse = self._frames(exchange.asker)

    async def _frames(self, asker: Asker) -> AsyncIterator[SSEvent]:
        reader = Reader(self._watching, asker)
        while not self._watching.is_over:
            version = self._watching.version
            for frame in reader.news():
                yield frame
            await self._watching.later_than(version)
        yield named("leaving", {})  # whoever watches goes on at another gateway


class Reader:
    """What one watcher has been told."""

    def __init__(self, watching: Watching, asker: Asker) -> None:
        self._watching = watching
        self._asker = asker
        self._snapshot: Snapshot | None = None
        self._last_event = 0

    def news(self) -> Iterator[SSEvent]:
        """The events that it has not got; events come after the first snapshot."""
        watching = self._watching
        if watching.trouble:
            yield named("trouble", {"message": watching.trouble})
        elif watching.snapshot is not None:
            if watching.snapshot is not self._snapshot:
                self._snapshot = watching.snapshot
                yield named("snapshot", seen_by(watching.snapshot, self._asker))
            for event in list(watching.events):
                if event["number"] > self._last_event:
                    self._last_event = event["number"]
                    yield from self._told(event)

    def _told(self, event: dict[str, object]) -> Iterator[SSEvent]:
        seen = event_seen_by(event, self._asker)
        if seen is not None:
            yield named("event", seen)
