"""A control server on a real socket, with handlers that a test can choose."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from control.talking import Ask, Serve
from serve_daemon.control.client import Client
from serve_daemon.control.server import ControlServer, Handler, bind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
async def serve(path: Path) -> AsyncIterator[Serve]:
    """Starts a server with the given handlers at `path`."""
    servers: list[ControlServer] = []

    async def start(handlers: dict[str, Handler], **settings: Any) -> ControlServer:
        server = ControlServer(handlers, **settings)
        await server.start(bind(path))
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
def ask(path: Path) -> Ask:
    """Makes one call with a new client, in a thread beside the server's loop."""

    def call(method: str, **parameters: Any) -> dict[str, Any]:
        client = Client(path)
        try:
            return client.call(method, **parameters)
        finally:
            client.close()

    async def in_thread(method: str, **parameters: Any) -> dict[str, Any]:
        return await asyncio.to_thread(call, method, **parameters)

    return in_thread
