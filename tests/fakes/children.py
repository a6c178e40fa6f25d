"""Real gateways and fake engines as child processes, with all that they say and write."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec

from serve_daemon.wire.messages import EngineHeartbeat, EngineReady, EngineToSupervisor
from serve_daemon.wire.routing import EngineAddress
from serve_daemon.wire.transport import Peer, adopt

PATIENCE_SECONDS = 20.0


class Child:
    """A process with a link, and everything that it has said on it."""

    def __init__(self, kind: Any) -> None:
        self.said: list[Any] = []
        self.lines: list[str] = []
        self._news = asyncio.Event()
        self.peer: Peer[Any] = Peer(kind, self._on_message, lambda _error: self._tell())

    async def start(self, command: list[str], passed: list[socket.socket]) -> Self:
        ours, theirs = socket.socketpair()
        await adopt(self.peer, ours)
        fds = [theirs.fileno(), *(each.fileno() for each in passed)]
        names = ["--link-fd"] + ["--listen-fd"] * len(passed)
        arguments = [word for pair in zip(names, map(str, fds), strict=True) for word in pair]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            pass_fds=fds,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "SERVE_TEST_PYTHON": sys.executable},
        )
        theirs.close()
        self._reading = asyncio.ensure_future(self._read_lines())
        return self

    async def _read_lines(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))
            self._tell()

    def _on_message(self, message: Any) -> None:
        self.said.append(message)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when what was said, or written, fulfils `condition`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await self._news.wait()

    async def until_said(self, kind: type) -> Any:
        await self.until(lambda: any(isinstance(message, kind) for message in self.said))
        return self.last(kind)

    def last(self, kind: type) -> Any:
        return next(message for message in reversed(self.said) if isinstance(message, kind))

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [msgspec.json.decode(line) for line in self.lines if line.startswith("{")]

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    async def end(self) -> None:
        if self.process.returncode is None:
            self.kill()
        await self.process.wait()
        await self._reading
        self.peer.close()


class EngineChild(Child):
    """A fake engine, ready."""

    def __init__(self, engine_id: str, path: Path) -> None:
        super().__init__(EngineToSupervisor)
        self.engine_id = engine_id
        self.path = path

    @property
    def address(self) -> EngineAddress:
        return EngineAddress(self.engine_id, str(self.path), self.last(EngineReady))

    @property
    def sequences(self) -> int:
        """How many it has in work, as of its last heartbeat."""
        beat: EngineHeartbeat = self.last(EngineHeartbeat)
        return beat.running + beat.waiting

    async def until_sequences(self, count: int) -> None:
        await self.until(lambda: self.sequences == count)
