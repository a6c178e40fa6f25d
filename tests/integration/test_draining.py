"""What is open when there is no more time for it, with fake engines that never come to an end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from integration.daemon import RunningDaemon

ENDLESS = '[models.m]\nsource = "fake:text=count,token_delay=0.01"\nmax_context = 1000000'
WISH = {"model": "m", "input": "count", "stream": True}


@asynccontextmanager
async def open_stream(daemon: RunningDaemon) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream that has begun to tell its text."""
    async with daemon.http() as client, client.stream("POST", "/v1/responses", json=WISH) as reply:
        lines = reply.aiter_lines()
        while "output_text.delta" not in await anext(lines):
            pass
        yield lines


async def replace_gateway(daemon: RunningDaemon, *, server: str) -> None:
    before = daemon.status()["gateway"]["pid"]
    daemon.write(ENDLESS, server=server)
    await daemon.ask("Reload", wait=True)
    assert daemon.status()["gateway"]["pid"] != before


async def ended(daemon: RunningDaemon) -> int:
    """Its exit status, without another signal."""
    assert daemon.process is not None
    return await daemon.process.wait()


@pytest.mark.parametrize(("drain_timeout", "signals"), [(0.5, 1), (1000.0, 2)])
async def test_the_end_of_the_daemon_is_told_in_every_stream(
    daemon: RunningDaemon, drain_timeout: float, signals: int
) -> None:
    """Within `drain_timeout`, or at once after a second signal; on a replaced gateway, too."""
    server = f"drain_timeout = {drain_timeout}\nstall_timeout = 1000.0"  # one stream is left unread
    await daemon.started(ENDLESS, server=server)
    async with open_stream(daemon) as on_old:
        await replace_gateway(daemon, server=f"{server}\nmax_connections = 99")
        async with open_stream(daemon) as on_new:
            daemon.signal(signal.SIGTERM)
            for _ in range(signals - 1):
                await daemon.until(lambda status: status["daemon"]["state"] == "draining")
                daemon.signal(signal.SIGTERM)
            for lines in (on_old, on_new):
                rest = [line async for line in lines if line]
                assert "The server shuts down" in rest[-2], rest[-2]
                assert rest[-1] == "data: [DONE]"
    assert await ended(daemon) == 0


async def test_a_request_that_waits_when_the_daemon_ends_is_refused(daemon: RunningDaemon) -> None:
    """With 503, in JSON: its model never came."""
    daemon.write('[models.m]\nsource = "fake:load=1000"', server="drain_timeout = 0.2")
    await daemon.start()
    await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    async with daemon.http() as client:
        asking = asyncio.ensure_future(client.post("/v1/responses", json=WISH | {"stream": False}))
        await daemon.until_true(lambda: daemon.status()["gateway"]["open_requests"] == 1)
        daemon.signal(signal.SIGTERM)
        reply = await asking
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "server_shutting_down"
    assert await ended(daemon) == 0
