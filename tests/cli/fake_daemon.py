"""A daemon that is only its control socket, answering as a test tells it to."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from cli.documents import Document
from serve_daemon.control.protocol import ControlError
from serve_daemon.control.server import Call, ControlServer, bind

METHODS = (
    *("Status", "Reload", "Plan", "Start", "Stop", "Restart", "SetLogLevel", "Logs", "Events"),
    *(
        "GetConfig",
        "GetPendingConfig",
        "GetOrigins",
        "Metrics",
        "History",
        "Drain",
        "Resume",
        "Pull",
        "Shutdown",
    ),
)


class FakeDaemon:
    """What each method answers, and what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, list[Document] | ControlError] = {}
        self.calls: list[tuple[str, Document]] = []
        self.goes_on = False  # whether a stream that follows stays open after its answers

    async def handle(self, call: Call) -> AsyncIterator[Document]:
        self.calls.append((call.method, call.parameters))
        answer = self.answers[call.method]
        if isinstance(answer, ControlError):
            raise answer
        for each in answer:
            yield each
        if self.goes_on and call.parameters["follow"]:
            await asyncio.Event().wait()

    @contextmanager
    def running(self) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        server = ControlServer(dict.fromkeys(METHODS, self.handle))
        asyncio.run_coroutine_threadsafe(server.start(bind(self.path)), loop).result()
        try:
            # The daemon's log is not to end up in the output of the command beside it.
            with structlog.testing.capture_logs():
                yield
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
