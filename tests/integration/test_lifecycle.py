"""The daemon from its start to its end, with fake engines."""

import asyncio
import json
import signal

import pytest

from integration.daemon import RunningDaemon, command
from integration.streams import stream_response, text_of


async def test_the_control_socket_answers_while_models_load(daemon: RunningDaemon) -> None:
    """`servectl` shows a model that starts, long before it is ready."""
    daemon.write('[models.slow]\nsource = "fake:load=30"')
    await daemon.start()
    assert daemon.model("slow")["state"] == "starting"
    assert daemon.model("slow")["pid"] is None


async def test_requests_wait_for_a_model_that_starts(daemon: RunningDaemon) -> None:
    """A request that comes before its model is ready is answered once it is."""
    daemon.write('[models.slow]\nsource = "fake:load=1.0"')
    await daemon.start()
    await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    assert daemon.model("slow")["state"] == "starting"
    async with daemon.http() as client:
        assert await text_of(client, model="slow", input="wait for me") == "wait for me"


async def test_sigterm_lets_open_streams_finish(daemon: RunningDaemon) -> None:
    """A stream that runs when the daemon is told to stop ends as it should, with status 0."""
    await daemon.started('[models.m]\nsource = "fake:text=count,token_delay=0.02"')
    async with daemon.http() as client:
        stream = stream_response(client, model="m", input="count", max_output_tokens=60)
        deltas = [await anext(stream)]
        daemon.signal(signal.SIGTERM)
        deltas += [delta async for delta in stream]
    assert "".join(deltas).split()[:5] == ["1", "2", "3", "4", "5"]
    assert len("".join(deltas)) == 60
    assert await daemon.end() == 0
    assert not daemon.socket.exists()


async def test_sigterm_while_models_load_ends_at_once(daemon: RunningDaemon) -> None:
    """Nothing waits for an engine that nobody has asked anything of."""
    daemon.write('[models.slow]\nsource = "fake:load=1000"')
    await daemon.start()
    assert await daemon.end() == 0


async def test_a_second_daemon_is_refused(daemon: RunningDaemon) -> None:
    """Two daemons never share a runtime directory; the message says what to do."""
    await daemon.started('[models.m]\nsource = "fake:load=0"')
    second = await asyncio.create_subprocess_exec(
        command("serve-daemon"), "--config", str(daemon.file), "--set", "server.listen=127.0.0.1:0",
        env=daemon.environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, stderr = await second.communicate()
    assert second.returncode == 1
    assert "another serve-daemon runs" in stderr.decode()
    assert daemon.model("m")["state"] == "ready"


async def test_a_bad_file_is_refused_with_its_place(daemon: RunningDaemon) -> None:
    """The daemon does not start, and says file, line and column of every problem."""
    daemon.file.write_text('[models.m]\nsource = "fake:"\ndtpye = "float32"\nmax_requests = 0\n')
    process = await asyncio.create_subprocess_exec(
        command("serve-daemon"), "--config", str(daemon.file),
        env=daemon.environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, stderr = await process.communicate()
    assert process.returncode == 78
    assert f"{daemon.file}:3:1: models.m.dtpye" in stderr.decode()
    assert f"{daemon.file}:4:" in stderr.decode()


async def test_children_do_not_outlive_a_killed_daemon(daemon: RunningDaemon) -> None:
    """Gateway and engines leave by themselves when the supervisor dies."""
    await daemon.started('[models.m]\nsource = "fake:load=0"')
    status = daemon.status()
    pids = [status["gateway"]["pid"], status["models"][0]["pid"]]
    descriptors = [_pidfd(pid) for pid in pids]
    daemon.signal(signal.SIGKILL)
    loop = asyncio.get_running_loop()
    for descriptor in descriptors:
        gone = asyncio.Event()
        loop.add_reader(descriptor, gone.set)
        async with asyncio.timeout(10):
            await gone.wait()
        loop.remove_reader(descriptor)
    assert daemon.process is not None
    await daemon.process.wait()


def _pidfd(pid: int) -> int:
    import os

    return os.pidfd_open(pid)


async def test_stop_holds_a_model_until_start(daemon: RunningDaemon) -> None:
    """A stopped model answers 503 with the reason at once; start brings it back."""
    await daemon.started('[models.m]\nsource = "fake:load=0"')
    await daemon.ask("Stop", model="m", wait=True)
    async with daemon.http() as client:
        refused = await client.post("/v1/responses", json={"model": "m", "input": "hello"})
        assert refused.status_code == 503
        assert "stopped" in refused.json()["error"]["message"]
        await daemon.ask("Start", model="m", wait=True)
        assert await text_of(client, model="m", input="hello") == "hello"


async def test_restart_replaces_the_engine_without_a_gap(daemon: RunningDaemon) -> None:
    """A stream that runs meanwhile is finished by the old engine; a new one goes to the new."""
    await daemon.started('[models.m]\nsource = "fake:text=count,token_delay=0.02"')
    before = daemon.model("m")["pid"]
    async with daemon.http() as client:
        stream = stream_response(client, model="m", input="x", max_output_tokens=100)
        text = await anext(stream)
        await daemon.ask("Restart", model="m", wait=True)
        after = daemon.model("m")["pid"]
        assert after != before
        text += "".join([delta async for delta in stream])
        assert len(text) == 100
    await daemon.until(lambda status: len(status["models"][0]["replicas"]) == 1)


async def test_servectl_status_prints_json(daemon: RunningDaemon) -> None:
    """`servectl status --json` is the document that scripts rely on."""
    await daemon.started('[models.m]\nsource = "fake:load=0"\naliases = ["other"]')
    process = await asyncio.create_subprocess_exec(
        *daemon.servectl("status", "--json"), stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    document = json.loads(stdout)
    (model,) = document["models"]
    assert (model["name"], model["state"]) == ("m", "ready")
    assert model["replicas"][0]["pid"] == model["pid"]


@pytest.mark.parametrize("listen", ["unix", "port 0"])
async def test_it_listens_where_it_is_told(daemon: RunningDaemon, listen: str) -> None:
    """A Unix socket, and a port that the kernel chooses and status tells."""
    import httpx

    path = daemon.directory / "api.sock"
    address = f"unix:{path}" if listen == "unix" else "127.0.0.1:0"
    daemon.write('[models.m]\nsource = "fake:load=0"')
    await daemon.start("--set", f"server.listen={address}")
    status = await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    (shown,) = status["gateway"]["listen"]
    transport = httpx.AsyncHTTPTransport(uds=str(path)) if listen == "unix" else None
    url = "http://localhost" if listen == "unix" else f"http://{shown}"
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        assert (await client.get("/health")).status_code == 200


async def test_shutdown_returns_when_the_daemon_has_ended(daemon: RunningDaemon) -> None:
    """What comes after it in a script finds no daemon, and no lock of one."""
    await daemon.started('[models.m]\nsource = "fake:load=0"')
    process = await asyncio.create_subprocess_exec(*daemon.servectl("shutdown"))
    assert await process.wait() == 0
    assert daemon.process is not None
    assert await daemon.process.wait() == 0
    await daemon.start()
    await daemon.until_model("m", state="ready")
