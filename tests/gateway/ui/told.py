"""A control socket beside a gateway, which answers as a test tells it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from cli.documents import Document, model, status
from serve_daemon.control.server import Call, ControlServer, bind


def event(number: int, **different: Any) -> Document:
    return {
        "number": number,
        "time": 1_800_000_000.0 + number,
        "kind": "state",
        "model": "m",
        "old": "starting",
        "new": "ready",
        "message": "",
    } | different


class Daemon:
    """Two models, and what happens to them; counts who listens."""

    def __init__(self) -> None:
        self.status = status(model("m"), model("n"))
        self.past = [event(1), event(2, model="n")]
        self.looks = 0
        self.listeners = 0
        self._news = asyncio.Condition()

    async def happen(self, news: Document) -> None:
        """Let everybody who listens hear it."""
        async with self._news:
            self.past.append(news)
            self._news.notify_all()

    async def until(self, condition: Any) -> None:
        """Return when it holds; looked at when somebody comes or goes."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(condition)

    async def _answer_status(self, _call: Call) -> AsyncIterator[Document]:
        self.looks += 1
        yield self.status

    async def _answer_events(self, call: Call) -> AsyncIterator[Document]:
        assert call.parameters == {"since": 1, "follow": True}
        await self._count(1)
        try:
            told = 0
            while True:
                for each in self.past[told:]:
                    told += 1
                    yield {"event": each}
                async with self._news:
                    await self._news.wait_for(lambda: len(self.past) > told)  # noqa: B023
        finally:
            await self._count(-1)

    async def _count(self, more: int) -> None:
        async with self._news:
            self.listeners += more
            self._news.notify_all()

    @contextlib.asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        server = ControlServer({"Status": self._answer_status, "Events": self._answer_events})
        await server.start(bind(path))
        try:
            yield
        finally:
            await server.close()


Told = tuple[str, Document]


async def told(reply: httpx.Response) -> AsyncIterator[Told]:
    """The name and the data of each server-sent event."""
    name = ""
    async for line in reply.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, msgspec.json.decode(line.removeprefix("data: "))


async def next_told(stream: AsyncIterator[Told], name: str) -> Document:
    """The next of that name."""
    async with asyncio.timeout(20):
        async for each, data in stream:
            if each == name:
                return data
    raise AssertionError(f"the stream has ended before {name}")
