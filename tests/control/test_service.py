"""What calls are answered with, over a real socket."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from control.talking import (
    Ask,
    Serve,
    connection,
    giving,
    message,
    raising,
    read_message,
)
from serve_daemon.control import protocol
from serve_daemon.control.client import Client
from serve_daemon.control.protocol import ControlError
from serve_daemon.control.server import Call, Handler, Peer


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


async def test_the_client_streams_until_the_end(serve: Serve, path: Path) -> None:
    """The reply that ends a stream is no record."""
    await serve({"Logs": giving({"record": 1}, {"record": 2})})

    def read_all() -> list[dict[str, Any]]:
        with contextlib.closing(Client(path)) as client:
            return list(client.stream("Logs", lines=5, follow=False))

    assert await asyncio.to_thread(read_all) == [{"record": 1}, {"record": 2}]
