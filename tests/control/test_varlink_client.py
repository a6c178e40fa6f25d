"""An independent implementation of varlink talks to the server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import varlink

from control.talking import Serve
from serve_daemon.control import protocol
from serve_daemon.control.protocol import ControlError
from serve_daemon.control.server import Call


async def _plan(call: Call) -> AsyncIterator[dict[str, Any]]:
    memory = [{"device": "cpu", "before": 1, "during": 2, "after": 1}]
    change = {"subject": "models.m", "action": "keep", "keys": [], "outcome": ""}
    expected = {"memory": memory, "requests_wait": False}
    yield {"changes": [change | expected | {"reason": call.parameters.get("text", "no text")}]}


async def _logs(call: Call) -> AsyncIterator[dict[str, Any]]:
    for number in range(call.parameters["lines"]):
        yield {"record": {"number": number}}


async def _stop(call: Call) -> AsyncIterator[dict[str, Any]]:
    raise ControlError(protocol.UNKNOWN_MODEL, {"model": call.parameters["model"], "known": ["m"]})
    yield {}


def _converse(path: Path) -> None:
    with varlink.Client(address=f"unix:{path}") as client:
        client.get_interface(protocol.INTERFACE)
        assert protocol.INTERFACE in client.get_interfaces()
        with client.open(protocol.INTERFACE) as control:
            assert control.Plan()["changes"][0]["reason"] == "no text"
            assert control.Plan(text="given")["changes"][0]["reason"] == "given"
            records = [reply.get("record") for reply in control.Logs(None, 3, False, _more=True)]
            assert records == [{"number": 0}, {"number": 1}, {"number": 2}, None]
            with pytest.raises(varlink.VarlinkError) as refused:
                control.Stop("absent", True)
            assert refused.value.error() == protocol.UNKNOWN_MODEL
            assert refused.value.parameters()["known"] == ["m"]


async def test_the_varlink_package_speaks_with_the_server(serve: Serve, path: Path) -> None:
    """Introspection, calls, streams and errors are as another implementation expects them."""
    await serve({"Plan": _plan, "Logs": _logs, "Stop": _stop})
    await asyncio.to_thread(_converse, path)
