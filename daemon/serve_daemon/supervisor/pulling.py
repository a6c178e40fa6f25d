"""Downloads that somebody asks for, each by a child of the daemon: the cache is its user's."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from typing import Any

from serve_daemon.config.sources import HubSource, SourceError, parse
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.logs import Log
from serve_daemon.supervisor.process import Child, Command, spawn
from serve_daemon.wire.messages import Failing, Progress
from serve_daemon.wire.pulling import Pulled, PullToSupervisor

MODULE = "serve_daemon.engine.pull"


class PullFailed(Exception):  # noqa: N818 - it names what happened
    """The download has come to nothing: why, and what to do."""


class Pulling:
    """Starts a download, and hands on what it tells. What has arrived stays, whatever ends it."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def pull(
        self, source: str, model: Model | None
    ) -> AsyncGenerator[Progress | Pulled, None]:
        """How far it is, then where it lies; with what `model` says of its source, if it is one's.

        A caller that stops to read ends it. Raises `PullFailed`.
        """
        listener = _Listener(self._log, source)
        child = _started(source, model, listener)
        try:
            while isinstance(said := await listener.said.get(), Progress):
                yield said
            if isinstance(said, Pulled):
                yield said
            else:
                raise PullFailed(said)
        finally:
            child.signal(signal.SIGKILL)  # the Hub's library goes on from what it has written
            await asyncio.shield(listener.ended.wait())


def _started(source: str, model: Model | None, listener: "_Listener") -> Child:
    arguments = [] if model is None or model.load_format != "dummy" else ["--without-weights"]
    arguments += ["--with-code"] if model is not None and model.trust_remote_code else []
    with contextlib.suppress(SourceError):  # which the child tells of
        if not isinstance(parse(source), HubSource):
            raise PullFailed(f"{source} is on this machine: there is nothing to download")
    command = Command(sys.executable, MODULE, [*arguments, source], PullToSupervisor)
    try:
        return spawn(command, listener)
    except OSError as error:
        raise PullFailed(f"{sys.executable} can't be run: {error.strerror}") from error


class _Listener:
    """Puts what the child does into a queue; a text is how it has failed."""

    def __init__(self, log: Log, source: str) -> None:
        self.said: asyncio.Queue[Progress | Pulled | str] = asyncio.Queue()
        self.ended = asyncio.Event()
        self._log = log
        self._bound = {"program": "pull", "source": source}

    def on_message(self, message: Any) -> None:
        self.said.put_nowait(message.message if isinstance(message, Failing) else message)

    def on_line(self, line: str) -> None:
        self._log.add_line(line, self._bound)

    def on_exit(self, returncode: int) -> None:
        self.said.put_nowait(f"the download has ended with status {returncode}; see the log")
        self.ended.set()
