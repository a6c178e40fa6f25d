"""The server over a real socket."""

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from serve_daemon.control import protocol
from serve_daemon.control.client import Client
from serve_daemon.control.protocol import ControlError
from serve_daemon.control.server import Call, ControlServer, Handler, Peer, SocketTaken, bind

Ask = Callable[..., Awaitable[dict[str, Any]]]
Serve = Callable[..., Awaitable[ControlServer]]


def raising(error: Exception) -> Handler:
    async def handler(_call: Call) -> AsyncIterator[dict[str, Any]]:
        raise error
        yield {}

    return handler


def giving(*replies: dict[str, Any]) -> Handler:
    async def handler(_call: Call) -> AsyncIterator[dict[str, Any]]:
        for reply in replies:
            yield reply

    return handler


def message(method: str, **flags: Any) -> bytes:
    return json.dumps({"method": f"{protocol.INTERFACE}.{method}", **flags}).encode() + b"\0"


class Stream:
    """A handler for Logs that gives one record and waits; tells when it was started and ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.records: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def __call__(self, _call: Call) -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"record": {"event": "first"}}
            while record := await self.records.get():
                yield {"record": record}
        finally:
            self.ended.set()


FOLLOW = {"parameters": {"lines": 1, "follow": True}, "more": True}


async def read_message(reader: asyncio.StreamReader) -> dict[str, Any]:
    return json.loads((await reader.readuntil(b"\0"))[:-1])  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def connection(
    path: Path,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_call_is_answered_by_its_handler(serve: Serve, ask: Ask) -> None:
    """The handler's reply is the caller's."""
    await serve({"GetConfig": giving({"config": {"answer": 42}})})
    assert await ask("GetConfig") == {"config": {"answer": 42}}


async def test_a_handler_knows_who_calls_and_with_what(serve: Serve, ask: Ask) -> None:
    """The kernel says who is at the other end; parameters arrive checked."""
    calls: list[Call] = []

    async def stop(call: Call) -> AsyncIterator[dict[str, Any]]:
        calls.append(call)
        yield {}

    await serve({"Stop": stop})
    await ask("Stop", model="m", wait=False)
    me = Peer(os.getpid(), os.getuid(), os.getgid())
    assert calls == [Call("Stop", {"model": "m", "wait": False}, more=False, peer=me)]


@pytest.mark.parametrize(
    ("method", "parameters", "error"),
    [
        ("other.interface.Do", {}, "InterfaceNotFound(interface='other.interface')"),
        ("Nope", {}, "MethodNotFound(method='io.servedaemon.Control.Nope')"),
        ("Shutdown", {}, "MethodNotImplemented(method='io.servedaemon.Control.Shutdown')"),
        ("GetConfig", {"surplus": 1}, "InvalidParameter(parameter='surplus')"),
        ("Stop", {"model": "m"}, "InvalidParameter(parameter='wait')"),
        ("Stop", {"model": 3, "wait": True}, "InvalidParameter(parameter='model')"),
        ("Logs", {"lines": 1, "follow": False}, "ExpectedMore()"),
    ],
)
async def test_a_wrong_call_gets_varlinks_own_error(
    serve: Serve, ask: Ask, method: str, parameters: dict[str, Any], error: str
) -> None:
    """What the interface does not offer is refused by name, before any handler runs."""
    await serve({"GetConfig": giving(), "Stop": giving(), "Logs": giving()})
    with pytest.raises(ControlError) as refused:
        await ask(method, **parameters)
    assert str(refused.value) == f"org.varlink.service.{error}"


async def test_an_upgrade_is_refused(serve: Serve, path: Path) -> None:
    """The connection can not become one of another protocol."""
    await serve({"GetConfig": giving({"config": {}})})
    async with connection(path) as (reader, writer):
        writer.write(message("GetConfig", upgrade=True))
        assert (await read_message(reader))["parameters"] == {"parameter": "upgrade"}


async def test_an_error_of_the_interface_reaches_the_caller(serve: Serve, ask: Ask) -> None:
    """What a handler raises arrives with its name and parameters."""
    unknown = ControlError(protocol.UNKNOWN_MODEL, {"model": "x", "known": ["m"]})
    await serve({"Status": raising(unknown)})
    with pytest.raises(ControlError) as refused:
        await ask("Status", model="x")
    assert (refused.value.name, refused.value.parameters) == (unknown.name, unknown.parameters)


@pytest.mark.parametrize(
    "handler",
    [
        raising(KeyError("bug")),
        raising(TimeoutError()),
        giving(),
        giving({"config": {}, "surplus": 1}),
        giving({"config": float("nan")}),
        giving({"config": {"path": Path("/")}}),
    ],
    ids=["exception", "timeout", "no reply", "wrong reply", "not a number", "not json"],
)
async def test_a_bug_in_a_handler_is_logged_and_answered(
    serve: Serve, ask: Ask, handler: Handler
) -> None:
    """The caller gets an error, the log the traceback, and the server goes on."""
    await serve({"GetConfig": handler, "Shutdown": giving({})})
    with structlog.testing.capture_logs() as records:
        with pytest.raises(ControlError, match=r"OperationFailed.*a bug in"):
            await ask("GetConfig")
        assert await ask("Shutdown") == {}
    assert [r["exc_info"] for r in records if r["log_level"] == "error"] == [True]


@pytest.mark.parametrize(("method", "level"), [("GetConfig", "debug"), ("Shutdown", "info")])
async def test_each_call_is_logged_with_its_caller(
    serve: Serve, ask: Ask, method: str, level: str
) -> None:
    """Calls that steer are logged for everybody, those that only read for who debugs."""
    await serve({"GetConfig": giving({"config": {}}), "Shutdown": giving({})})
    with structlog.testing.capture_logs() as records:
        await ask(method)
    expected = {"event": "control call", "log_level": level, "uid": os.getuid()}
    expected |= {"method": f"io.servedaemon.Control.{method}", "pid": os.getpid()}
    assert expected in records


async def test_calls_of_one_connection_are_answered_in_their_order(
    serve: Serve, path: Path
) -> None:
    """A client may send calls ahead; a slow first answer is not overtaken."""
    may_answer = asyncio.Event()

    async def slow(_call: Call) -> AsyncIterator[dict[str, Any]]:
        await may_answer.wait()
        yield {"config": "slow"}

    async def plan(_call: Call) -> AsyncIterator[dict[str, Any]]:
        yield {"changes": []}

    await serve({"GetConfig": slow, "Plan": plan})
    async with connection(path) as (reader, writer):
        writer.write(message("GetConfig") + message("Plan"))
        async with connection(path) as (other_reader, other_writer):
            other_writer.write(message("Plan"))
            assert await read_message(other_reader) == {"parameters": {"changes": []}}
        may_answer.set()
        answers = [await read_message(reader), await read_message(reader)]
    assert [answer["parameters"] for answer in answers] == [{"config": "slow"}, {"changes": []}]


async def test_a_client_that_only_writes_is_still_answered(serve: Serve, path: Path) -> None:
    """A shell's pipe ends its side first, and waits for what was asked."""
    await serve({"GetConfig": giving({"config": {}})})
    async with connection(path) as (reader, writer):
        writer.write(message("GetConfig") * 3)
        writer.write_eof()
        assert (await reader.read()).count(b"\0") == 3


async def test_a_oneway_call_is_carried_out_without_a_reply(serve: Serve, path: Path) -> None:
    """The next call's reply is the first that arrives."""
    await serve({"Shutdown": giving({}), "GetConfig": giving({"config": 1})})
    async with connection(path) as (reader, writer):
        writer.write(message("Shutdown", oneway=True) + message("GetConfig"))
        assert await read_message(reader) == {"parameters": {"config": 1}}


async def test_a_stream_ends_with_an_empty_reply(serve: Serve, path: Path) -> None:
    """Each record continues; the end is a reply of its own."""
    await serve({"Logs": giving({"record": 1}, {"record": 2})})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", parameters={"lines": 9, "follow": False}, more=True))
        replies = [await read_message(reader) for _ in range(3)]
    assert replies == [
        {"parameters": {"record": 1}, "continues": True},
        {"parameters": {"record": 2}, "continues": True},
        {"parameters": {}},
    ]


async def test_a_record_of_a_stream_arrives_when_it_is_made(serve: Serve, path: Path) -> None:
    """Nothing is held back until the next."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        assert (await read_message(reader))["parameters"]["record"] == {"event": "first"}
        stream.records.put_nowait({"event": "second"})
        assert (await read_message(reader))["parameters"]["record"] == {"event": "second"}


async def test_a_client_that_goes_ends_its_stream(serve: Serve, path: Path) -> None:
    """A handler never follows for nobody."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await read_message(reader)
    await stream.ended.wait()


async def test_closing_the_server_ends_streams(serve: Serve, path: Path) -> None:
    """A daemon that leaves does not wait for who watches it."""
    stream = Stream()
    server = await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await read_message(reader)
        await server.close()
        assert stream.ended.is_set()
        assert await reader.read() == b""


async def test_closing_the_server_lets_a_call_be_answered(serve: Serve, path: Path) -> None:
    """Who asks for the shutdown hears that it was done."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def shutdown(_call: Call) -> AsyncIterator[dict[str, Any]]:
        asked.set()
        await may_answer.wait()
        yield {}

    server = await serve({"Shutdown": shutdown})
    async with connection(path) as (reader, writer):
        writer.write(message("Shutdown"))
        await asked.wait()
        closing = asyncio.ensure_future(server.close())
        may_answer.set()
        assert await read_message(reader) == {"parameters": {}}
        await closing


async def test_a_client_that_stops_reading_is_dropped(serve: Serve, path: Path) -> None:
    """A stream is not buffered without end for a reader that does not read."""

    async def flood(_call: Call) -> AsyncIterator[dict[str, Any]]:
        try:
            while True:
                yield {"record": "x" * 100_000}
        finally:
            ended.set()

    ended = asyncio.Event()
    await serve({"Logs": flood}, write_timeout_seconds=0.05)
    async with connection(path) as (_reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await ended.wait()


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n\0", b"{}\0", b"x" * (protocol.MAX_CALL_BYTES + 1)],
    ids=["http", "no method", "too large"],
)
async def test_who_does_not_speak_varlink_is_disconnected(
    serve: Serve, ask: Ask, path: Path, data: bytes
) -> None:
    """A broken client loses its connection, and nobody else theirs."""
    await serve({"GetConfig": giving({"config": {}})})
    async with connection(path) as (reader, writer):
        writer.write(data)
        assert await reader.read() == b""
    assert await ask("GetConfig") == {"config": {}}


async def test_calls_sent_ahead_are_bounded(serve: Serve, path: Path) -> None:
    """A client can not make the daemon remember calls without end."""
    stream = Stream()
    await serve({"Logs": stream})
    async with connection(path) as (reader, writer):
        writer.write(message("Logs", **FOLLOW))
        await read_message(reader)
        writer.write(message("GetConfig") * 65)
        await stream.ended.wait()
        assert await reader.read() == b""


async def test_many_connections_are_served_at_once(serve: Serve, path: Path) -> None:
    """A hundred watchers hinder neither each other nor a call."""
    stream = giving({"record": 1})
    await serve({"Logs": stream, "GetConfig": giving({"config": {}})})
    async with contextlib.AsyncExitStack() as stack:
        watchers = [await stack.enter_async_context(connection(path)) for _ in range(100)]
        for _reader, writer in watchers:
            writer.write(message("Logs", **FOLLOW))
        for reader, _writer in watchers:
            assert (await read_message(reader))["continues"]


async def test_the_client_streams_until_the_end(serve: Serve, path: Path) -> None:
    """The reply that ends a stream is no record."""
    await serve({"Logs": giving({"record": 1}, {"record": 2})})

    def read_all() -> list[dict[str, Any]]:
        with contextlib.closing(Client(path)) as client:
            return list(client.stream("Logs", lines=5, follow=False))

    assert await asyncio.to_thread(read_all) == [{"record": 1}, {"record": 2}]


def test_the_socket_is_for_its_user_and_group(path: Path) -> None:
    """Whatever the umask: read and write for user and group, nothing for others."""
    old = os.umask(0o077)
    try:
        with bind(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(old)


def test_the_socket_is_never_wider(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Already at its birth the file is closed to others."""
    modes: list[int] = []
    chmod = Path.chmod

    def watched(self: Path, mode: int) -> None:
        modes.append(stat.S_IMODE(self.stat().st_mode))
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", watched)
    old = os.umask(0)
    try:
        bind(path).close()
    finally:
        os.umask(old)
    assert modes == [0o660]


def test_a_stale_socket_is_replaced(path: Path) -> None:
    """What a killed daemon left is no obstacle."""
    bind(path).close()
    with bind(path) as listener:
        assert listener.getsockname() == str(path)


def test_a_live_socket_is_left_alone(path: Path) -> None:
    """Two daemons never answer in turn on one path."""
    with bind(path), pytest.raises(SocketTaken, match=f"another daemon answers on {path}"):
        bind(path)


def test_a_daemon_too_busy_to_accept_is_alive(path: Path) -> None:
    """A full queue is not mistaken for nobody."""
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(str(path))
        with pytest.raises(SocketTaken, match="another daemon"):
            bind(path)


def test_a_file_that_is_no_socket_is_left_alone(path: Path) -> None:
    """A mistyped path costs nobody a file."""
    path.write_text("precious")
    with pytest.raises(SocketTaken, match="is no socket"):
        bind(path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("path", [Path("/nonexistent/x.sock"), Path("/tmp") / ("x" * 200)])  # noqa: S108
def test_an_impossible_path_is_said(path: Path) -> None:
    """The error names the path and what is wrong with it."""
    with pytest.raises(SocketTaken, match=f"^{path}"):
        bind(path)
