"""Real child processes: what they say, how they end, and what goes with them."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil
import pytest

from serve_daemon.supervisor import process as process_module
from serve_daemon.supervisor.process import Child, Command, spawn
from serve_daemon.wire.messages import (
    Drain,
    EngineToSupervisor,
    Failing,
    Progress,
    Reason,
    SetLogLevel,
)

TESTS = Path(__file__).parent.parent


class Heard:
    """All that a child did, in the order in which it was told."""

    def __init__(self) -> None:
        self.messages: list[object] = []
        self.lines: list[str] = []
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.next_message: asyncio.Queue[Progress] = asyncio.Queue()

    def on_message(self, message: object) -> None:
        assert not self.ended.done()
        self.messages.append(message)
        if isinstance(message, Progress):
            self.next_message.put_nowait(message)

    def on_line(self, line: str) -> None:
        assert not self.ended.done()
        self.lines.append(line)

    def on_exit(self, returncode: int) -> None:
        self.ended.set_result(returncode)


class Started:
    def __init__(self, behaviour: str, listening: Sequence[socket.socket] = ()) -> None:
        self.heard = Heard()
        command = Command(sys.executable, "fakes.child", [behaviour], EngineToSupervisor, listening)
        self.child: Child = spawn(command, self.heard)

    async def ended(self) -> int:
        return await self.heard.ended


@pytest.fixture(autouse=True)
async def _children(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The fakes can be imported, and no child outlives its test."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    yield
    for each in psutil.Process().children(recursive=True):
        each.kill()
        each.wait()


async def test_last_words_come_before_the_news_of_the_end() -> None:
    """All lines and messages are there when the exit is told, the unfinished line included."""
    started = Started("say_last_words")
    assert await started.ended() == 7
    heard = started.heard
    assert heard.lines == [*(f"line {number}" for number in range(500)), "no end"]
    assert len(heard.messages) == 501
    assert heard.messages[-1] == Failing(Reason.SOURCE, "last words")


async def test_what_is_sent_before_the_link_is_up_arrives_in_order() -> None:
    """A configuration is sent the moment that a process is spawned."""
    started = Started("echo")
    started.child.send(SetLogLevel("debug"))
    started.child.send(Drain())
    told = [(await started.heard.next_message.get()).detail for _ in range(2)]
    assert told == [repr(SetLogLevel("debug")), repr(Drain())]
    started.child.signal(signal.SIGTERM)
    assert await started.ended() == -signal.SIGTERM


async def test_listening_sockets_are_passed_in_order(tmp_path: Path) -> None:
    """The child may accept on them; we keep ours."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "api.sock"))
        started = Started("echo", [tcp, unix])
        told = [(await started.heard.next_message.get()).detail for _ in range(2)]
        assert told == [str(tcp.getsockname()), str(unix.getsockname())]
        started.child.signal(signal.SIGKILL)
        assert await started.ended() == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_signal_to_one_whose_end_is_not_seen_yet_is_none(number: signal.Signals) -> None:
    """Its end is told all the same; else the daemon would wait for it for ever."""
    started = Started("say_last_words")
    pid = started.child.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop must not see it
    started.child.signal(number)
    assert await started.ended() == -signal.SIGKILL


async def test_a_child_ends_when_its_link_does() -> None:
    """A supervisor that dies leaves nobody behind: here the link alone is closed."""
    started = Started("echo")
    started.child.send(Drain())
    await started.heard.next_message.get()
    assert started.child._peer is not None
    started.child._peer.close()
    assert await started.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_what_a_child_started_goes_with_it(number: signal.Signals) -> None:
    """Whether it was killed, or ended and left it behind holding stderr."""
    started = Started("have_a_child")
    grandchild = psutil.Process((await started.heard.next_message.get()).done)
    started.child.signal(number)
    assert await started.ended() == -number
    gone, _ = psutil.wait_procs([grandchild], timeout=10)
    assert gone == [grandchild]


async def test_a_child_that_ignores_sigterm_is_killed_by_sigkill() -> None:
    """SIGTERM is a request."""
    started = Started("ignore_sigterm")
    await started.heard.next_message.get()
    started.child.signal(signal.SIGTERM)
    started.child.signal(signal.SIGKILL)
    assert await started.ended() == -signal.SIGKILL
    started.child.signal(signal.SIGKILL)  # it is gone: nobody else is hit
    started.child.send(Drain())


async def test_a_child_that_talks_nonsense_is_hung_up_on() -> None:
    """And the reason stands among its lines."""
    started = Started("talk_nonsense")
    await started.ended()
    assert any("the supervisor has closed the link" in line for line in started.heard.lines)


async def test_what_is_meant_for_the_daemon_alone_is_kept_from_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A child must not notify systemd, nor take its sockets or credentials."""
    private = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "CREDENTIALS_DIRECTORY"]
    for name in [*private, "HF_HOME"]:
        monkeypatch.setenv(name, "1")
    started = Started("tell_environment")
    names = (await started.heard.next_message.get()).detail.split()
    assert set(private).isdisjoint(names)
    assert {"HF_HOME", "PYTHONPATH", "PYTHONUNBUFFERED"} <= set(names)
    assert await started.ended() == 0


async def test_an_interpreter_that_does_not_exist_is_an_error() -> None:
    """Nothing is left open, and nobody is told of an end."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    heard = Heard()
    with pytest.raises(FileNotFoundError):
        spawn(Command("/nowhere/python", "fakes.child", [], EngineToSupervisor), heard)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert not heard.ended.done()


async def test_a_child_leaves_no_descriptor_behind() -> None:
    """The supervisor lives for months."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        await Started("say_last_words").ended()
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_line_without_an_end_is_cut() -> None:
    """A progress bar that never ends its line must not fill the memory."""
    told: list[str] = []
    lines = process_module._Lines(told.append, lambda _error: told.append("end"))
    for _ in range(3):
        lines.data_received(b"x" * 40_000)
    assert [len(each) for each in told] == [80_000]
    lines.data_received(b"\xff\nrest")
    assert told[1] == "x" * 40_000 + "\ufffd"
    lines.connection_lost(None)
    assert told[2:] == ["rest", "end"]
