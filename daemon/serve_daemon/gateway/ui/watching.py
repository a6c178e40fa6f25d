"""Looks at the daemon while somebody looks at the page: once, however many do."""

import asyncio
import contextlib
from collections import deque
from pathlib import Path
from typing import Any

from serve_daemon.control.async_client import AsyncClient, ControlError, Unreachable
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.ui.snapshots import Snapshot, take

LOOK_EVERY_SECONDS = 2.0
REST_SECONDS = 0.2  # between two looks, where much happens
AGAIN_SECONDS = 1.0  # until the next try, where the daemon did not answer
KEPT_EVENTS = 100


class Watching:
    """What was seen last. All watchers read it, each at its own pace, so nothing waits for them."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._num_watchers = 0
        self._works: list[asyncio.Task[None]] = []
        self.snapshot: Snapshot | None = None
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self.trouble = ""  # why nothing is seen
        self.version = 0  # counts what was seen
        self._told: asyncio.Future[None] | None = None

    def client(self) -> AsyncClient:
        """Raises `Unreachable` where the gateway was told no socket."""
        path = self._conditions.settings.control_socket
        if not path:
            raise Unreachable("the gateway knows no control socket")
        return AsyncClient(Path(path))

    @property
    def is_over(self) -> bool:
        """Whether nobody may watch here any more."""
        return self._conditions.leaving or not self._conditions.settings.has_ui

    def begin(self) -> None:
        """Look until `end` is called as often."""
        self._num_watchers += 1
        if not self._works:
            self.snapshot, self.trouble = None, ""
            self.events.clear()
            self._stale = asyncio.Event()
            works = (self._look(), self._listen(), self._notice_departure())
            self._works = [asyncio.ensure_future(each) for each in works]

    def end(self) -> None:
        self._num_watchers -= 1
        if not self._num_watchers:
            for each in self._works:
                each.cancel()
            self._works = []

    async def later_than(self, version: int) -> None:
        """Return when more was seen."""
        while self.version == version:
            if self._told is None:
                self._told = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._told)

    def _tell(self) -> None:
        self.version += 1
        if self._told is not None:
            self._told.set_result(None)
            self._told = None

    # ------------------------------------------------------------ what it does meanwhile

    async def _look(self) -> None:
        """For ever, see how things are: every two seconds, and when something has happened."""
        while True:
            self._stale.clear()
            try:
                self.snapshot, self.trouble = await take(self.client()), ""
            except (Unreachable, ControlError) as error:
                self.trouble = str(error)
            self._tell()
            await asyncio.sleep(REST_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_SECONDS - REST_SECONDS):
                    await self._stale.wait()

    async def _listen(self) -> None:
        """For ever, hear what happens."""
        while True:
            with contextlib.suppress(Unreachable, ControlError):  # `_look` finds that out, too
                await self._hear()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _hear(self) -> None:
        replies = self.client().stream("Events", since=1, follow=True)
        async with contextlib.aclosing(replies):
            async for reply in replies:
                event = reply["event"]
                if not self.events or event["number"] > self.events[-1]["number"]:
                    self.events.append(event)
                    self._stale.set()
                    self._tell()

    async def _notice_departure(self) -> None:
        """Who watches goes to the next gateway at once, or this one would have to wait for them."""
        await self._conditions.departure()
        self._tell()
