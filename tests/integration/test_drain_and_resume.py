"""servectl drain and resume on a running daemon, with fake engines."""

import asyncio

from integration.daemon import RunningDaemon
from integration.test_apply import servectl
from integration.test_draining import WISH, open_stream

COUNTING = '[models.m]\nsource = "fake:text=count,token_delay=0.01"\nmax_context = 1000000'


async def test_drain_and_resume(daemon: RunningDaemon) -> None:
    """What is open goes on, and an edit meanwhile changes nothing of the drain."""
    await daemon.started(COUNTING, server="stall_timeout = 1000.0")
    pid = daemon.model("m")["pid"]
    async with daemon.http() as client:
        async with open_stream(daemon):
            status, output = await servectl(daemon, "drain", "--timeout", "0.5")
            assert (status, "still open: 1" in output) == (1, True), output
            draining = asyncio.ensure_future(servectl(daemon, "drain"))
            await servectl(daemon, "config", "set", "server.keep_alive_timeout", "60")
            refused = await client.post("/v1/responses", json=WISH)
            assert refused.json()["error"]["code"] == "server_draining"
            assert (await client.get("/ready")).json()["status"] == "draining"
            assert not draining.done()
        assert (await draining)[0] == 0
        assert daemon.status()["gateway"]["draining"]
        assert (await servectl(daemon, "resume"))[0] == 0
        body = WISH | {"stream": False, "max_output_tokens": 3}
        assert (await client.post("/v1/responses", json=body)).status_code == 200
    assert daemon.model("m")["pid"] == pid
