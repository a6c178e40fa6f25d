"""A real gateway process on loopback, with the supervisor's and the engines' parts played."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.supervisor import FakeSupervisor, MakeSupervisor
from serve_daemon.wire.messages import GatewaySettings


@pytest.fixture
async def make_supervisor() -> AsyncIterator[MakeSupervisor]:
    """Start a gateway with these settings."""
    started: list[FakeSupervisor] = []
    # Not tmp_path: the path of a Unix socket is at most 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="gw") as directory:

        async def make(**settings: Any) -> FakeSupervisor:
            supervisor = FakeSupervisor(Path(directory), GatewaySettings(**settings))
            started.append(supervisor)
            await supervisor.start_gateway()
            return supervisor

        yield make
        for supervisor in started:
            await supervisor.end()


@pytest.fixture
async def supervisor(make_supervisor: MakeSupervisor) -> FakeSupervisor:
    """A gateway with the default settings, and no engine yet."""
    return await make_supervisor()


@pytest.fixture
async def client(supervisor: FakeSupervisor) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of that gateway."""
    async with httpx.AsyncClient(base_url=supervisor.url, timeout=30) as client:
        yield client
