"""What dies comes back, and takes nothing with it; with fake engines."""

import asyncio
import os
import signal

from integration.daemon import RunningDaemon
from integration.streams import text_of

TWO = '[models.m]\nsource = "fake:load=0.1"\nhang_timeout = 3.0\n[models.other]\nsource = "fake:"\n'


async def test_a_killed_engine_comes_back(daemon: RunningDaemon) -> None:
    """After kill -9 the model restarts; requests wait for it; others keep their process."""
    await daemon.started(TWO)
    before, other = daemon.model("m")["pid"], daemon.model("other")["pid"]
    os.kill(before, signal.SIGKILL)
    async with daemon.http() as client:
        assert await text_of(client, model="m", input="still there?") == "still there?"
    model = daemon.model("m")
    assert (model["state"], model["restarts"]) == ("ready", 1)
    assert model["pid"] != before
    assert daemon.model("other")["pid"] == other


async def test_a_frozen_engine_is_killed_and_comes_back(daemon: RunningDaemon) -> None:
    """After SIGSTOP the silence is noticed within hang_timeout."""
    await daemon.started(TWO)
    before = daemon.model("m")["pid"]
    os.kill(before, signal.SIGSTOP)
    backoff = await daemon.until_model("m", state="backoff")
    assert "no sign of life" in backoff["reason"]
    assert "stopped by a signal" in backoff["reason"]
    ready = await daemon.until_model("m", state="ready")
    assert ready["pid"] != before


async def test_an_engine_that_makes_no_steps_is_killed(daemon: RunningDaemon) -> None:
    """Heartbeats alone are no life: with work outstanding, steps must end."""
    once = daemon.directory / "once"
    await daemon.started(f'[models.m]\nsource = "fake:hang_on=1,once={once}"\nhang_timeout = 3.0')
    async with daemon.http() as client:
        assert await text_of(client, model="m", input="go on") == "go on"
    assert daemon.model("m")["restarts"] == 1
    assert "no step finished" in daemon.log()


async def test_nobody_has_hung_where_all_were_frozen(daemon: RunningDaemon) -> None:
    """A machine that slept for longer than hang_timeout finds every process as it was."""
    await daemon.started('[models.m]\nsource = "fake:"\nhang_timeout = 3.0')
    assert daemon.process is not None
    before, engine = daemon.status(), daemon.model("m")["replicas"][0]
    pids = [daemon.process.pid, before["gateway"]["pid"], engine["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(5.0)  # time is what this is about
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    looked_twice = engine["uptime"] + 5.0 + 4.0
    await daemon.until_true(lambda: daemon.model("m")["replicas"][0]["uptime"] > looked_twice)
    after = daemon.status()
    assert [after["gateway"]["pid"], daemon.model("m")["pid"]] == pids[1:]


async def test_a_killed_gateway_comes_back_on_the_same_socket(daemon: RunningDaemon) -> None:
    """Connections wait in the listen queue; no engine is touched."""
    await daemon.started(TWO)
    status = daemon.status()
    os.kill(status["gateway"]["pid"], signal.SIGKILL)
    async with daemon.http() as client:
        assert await text_of(client, model="m", input="hello") == "hello"
    after = daemon.status()
    assert after["gateway"]["pid"] != status["gateway"]["pid"]
    assert [m["pid"] for m in after["models"]] == [m["pid"] for m in status["models"]]


async def test_a_source_that_does_not_exist_fails_at_once(daemon: RunningDaemon) -> None:
    """The model fails with a reason to act on; the others serve."""
    daemon.write('[models.bad]\nsource = "fake:fail=source"\n[models.good]\nsource = "fake:"\n')
    await daemon.start()
    bad = await daemon.until_model("bad", state="failed")
    assert bad["reason"].startswith("source: ")
    assert bad["restarts"] == 0
    await daemon.until_model("good", state="ready")
    async with daemon.http() as client:
        assert await text_of(client, model="good", input="fine") == "fine"
        refused = await client.post("/v1/responses", json={"model": "bad", "input": "?"})
        assert refused.status_code == 503
        assert bad["reason"] in refused.json()["error"]["message"]


async def test_a_model_that_crashes_too_often_has_failed(daemon: RunningDaemon) -> None:
    """The start limit ends it, with the last lines that its engine wrote; start tries again."""
    limits = "restart_delay = 0.05\nstart_limit = 3"
    daemon.write(f'[models.m]\nsource = "fake:crash_loading=1"\n{limits}')
    await daemon.start()
    failed = await daemon.until_model("m", state="failed")
    assert failed["restarts"] == 2
    assert failed["reason"].startswith("exited with status")
    daemon.call("Start", model="m", wait=False)
    assert (await daemon.until_model("m", state="failed", restarts=4))["pid"] is None


async def test_an_engine_that_ignores_sigterm_is_killed(daemon: RunningDaemon) -> None:
    """Stopping ends, whatever the engine does."""
    await daemon.started(
        '[models.m]\nsource = "fake:ignore_sigterm=1,load=1000"'.replace(",load=1000", "")
    )
    daemon.file.write_text(daemon.file.read_text().replace("fake:", "fake:load=0.1,"))
    await daemon.ask("Reload", wait=True)
    assert await daemon.end() == 0
