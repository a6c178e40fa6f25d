"""Child processes: the only place that spawns.

A `Child` is a Python program of ours in a session of its own, with a link (a socket pair that
carries `wire.messages`) and a pipe for its stderr. It is over when the process has exited and all
that it had said has been read, so that its last words come before the news of its end.
"""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from serve_daemon.wire.framing import FramingError
from serve_daemon.wire.transport import Peer, adopt

# A grandchild may hold the pipe or the link open for longer than the process lived.
LAST_WORDS_SECONDS = 1.0


class Listener(Protocol):
    """Who is told what a child does."""

    def on_message(self, message: Any) -> None: ...
    def on_line(self, line: str) -> None: ...
    def on_exit(self, returncode: int) -> None: ...


class Command(Struct, frozen=True):
    python: str
    module: str
    arguments: list[str]
    messages: Any  # the union of messages that the child may send
    listening: Sequence[socket.socket] = ()  # passed as --listen-fd, in this order


class Child:
    """One running process."""

    def __init__(self, process: subprocess.Popen[bytes], listener: Listener) -> None:
        self.pid = process.pid
        self._process = process
        self._listener = listener
        self._open_ends = 0
        self._exited = False
        self._told = False
        self._peer: Peer[Any] | None = None
        self._unsent: list[object] = []
        self._attaching: asyncio.Task[None] | None = None

    def send(self, message: object) -> None:
        if self._peer is None:
            self._unsent.append(message)
        else:
            self._peer.send(message)

    def signal(self, number: signal.Signals) -> None:
        """Signal the process; a kill takes what it has started with it."""
        if self._exited:
            return
        if number == signal.SIGKILL:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)  # Popen would look whether it has ended, and bury it

    def attach(self, link: socket.socket, messages: Any) -> None:
        """Begin to listen to the process. Must follow the constructor at once."""
        loop = asyncio.get_running_loop()
        pidfd = os.pidfd_open(self.pid)
        loop.add_reader(pidfd, self._on_process_exit, pidfd)
        self._open_ends = 2
        self._attaching = loop.create_task(self._attach(link, messages))

    async def _attach(self, link: socket.socket, messages: Any) -> None:
        lines = _Lines(self._listener.on_line, self._on_end)
        await asyncio.get_running_loop().connect_read_pipe(lambda: lines, self._process.stderr)
        peer = await adopt(Peer(messages, self._listener.on_message, self._on_link_end), link)
        self._peer, unsent, self._unsent = peer, self._unsent, []
        for message in unsent:
            peer.send(message)

    def _on_process_exit(self, pidfd: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(pidfd)
        os.close(pidfd)
        # What it started goes with it; until wait() nobody else can have its number.
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._exited = True
        loop.call_later(LAST_WORDS_SECONDS, self._tell)
        if not self._open_ends:
            self._tell()

    def _on_link_end(self, error: Exception | None) -> None:
        if isinstance(error, FramingError):
            self._listener.on_line(f"the supervisor has closed the link: {error}")
        self._on_end(error)

    def _on_end(self, _error: Exception | None) -> None:
        self._open_ends -= 1
        if self._exited and not self._open_ends:
            self._tell()

    def _tell(self) -> None:
        if self._told:
            return
        self._told = True
        if self._peer is not None:
            self._peer.close()
        self._listener.on_exit(self._process.returncode)


class _Lines(asyncio.Protocol):
    """A pipe, line by line; a line without an end is cut at `MAX_LINE_BYTES`."""

    MAX_LINE_BYTES = 64 * 1024

    def __init__(
        self, on_line: Callable[[str], None], on_end: Callable[[Exception | None], None]
    ) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self.MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._on_line(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._on_line(self._rest.decode(errors="replace"))
        self._on_end(exc)


def spawn(command: Command, listener: Listener) -> Child:
    """Start a process; `listener` hears of it from now on.

    Raises `OSError` where the interpreter can't be run.
    """
    ours, theirs = socket.socketpair()
    descriptors = [theirs.fileno(), *(each.fileno() for each in command.listening)]
    arguments = [*command.arguments, "--link-fd", str(theirs.fileno())]
    for each in command.listening:
        arguments += ["--listen-fd", str(each.fileno())]
    try:
        process = subprocess.Popen(
            [command.python, "-m", command.module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            env=_environment(),
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    child = Child(process, listener)
    child.attach(ours, command.messages)
    return child


def _environment() -> dict[str, str]:
    """Ours, less what is meant for the daemon alone."""
    private = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_", "CREDENTIALS_DIRECTORY")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(private)}
    return kept | {"PYTHONUNBUFFERED": "1"}
