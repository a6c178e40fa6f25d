"""Calls of the control interface on a manager, held to its interface."""

from typing import Any

import pytest

from fakes.managed import Managed
from serve_daemon.control.interface import load
from serve_daemon.control.protocol import INTERFACE, ControlError
from serve_daemon.control.service import Call, Peer

CONTROL = load(INTERFACE)
ROOT = Peer(pid=1, uid=0, gid=0)


async def replies(world: Managed, method: str, **parameters: Any) -> list[dict[str, Any]]:
    """All replies to a call; every one is as the interface promises."""
    assert CONTROL.fault(parameters, CONTROL.methods[method].takes) == ""
    handler = world.methods.handlers()[method]
    given = [each async for each in handler(Call(method, parameters, more=False, peer=ROOT))]
    for each in given:
        assert CONTROL.fault(each, CONTROL.methods[method].gives) == ""
    return given


async def call(world: Managed, method: str, **parameters: Any) -> dict[str, Any]:
    (reply,) = await replies(world, method, **parameters)
    return reply


async def refused(world: Managed, method: str, **parameters: Any) -> ControlError:
    """The error that a call is answered with, as the interface promises."""
    with pytest.raises(ControlError) as caught:
        await replies(world, method, **parameters)
    expected = CONTROL.errors[caught.value.name.rpartition(".")[2]]
    assert CONTROL.fault(caught.value.parameters, expected) == ""
    return caught.value


async def model(world: Managed, name: str = "m") -> dict[str, Any]:
    (found,) = (await call(world, "Status", model=name))["models"]
    return dict(found)
