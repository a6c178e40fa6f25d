"""Models that sleep when nobody asks for them: a real daemon, a real gateway, fake engines."""

import asyncio
from pathlib import Path

from integration.daemon import RunningDaemon
from integration.edits import event_with
from integration.streams import text_of


def model(**keys: object) -> str:
    lines = [f"{key} = {str(value).lower()}" for key, value in keys.items()]
    return "\n".join(["[models.m]", 'source = "fake:text=count"', *lines])


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def ask(daemon: RunningDaemon) -> str:
    async with daemon.http() as client:
        return await text_of(client, model="m", input="Count.", max_output_tokens=20)


async def test_an_idle_model_sleeps_and_the_next_request_wakes_it(daemon: RunningDaemon) -> None:
    """Asleep, it has no process; the request waits for a new one, and again it falls asleep."""
    await daemon.started(model(idle_timeout=0.2))
    first = await ask(daemon)
    pid = daemon.model("m")["pid"]
    await daemon.until_model("m", state="asleep", replicas=[])
    assert not is_alive(pid)
    assert daemon.model("m")["reason"] == "idle for 0.2 s"
    assert await ask(daemon) == first
    await daemon.until_model("m", state="asleep", restarts=0, replicas=[])


async def test_a_model_without_preload_starts_with_its_first_request(
    daemon: RunningDaemon,
) -> None:
    """Until then it is no more than a name; an edit of it is done at once and starts nothing."""
    daemon.write(model(preload=False))
    await daemon.start()
    await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    assert (daemon.model("m")["state"], daemon.model("m")["pid"]) == ("asleep", None)
    daemon.write(model(preload=False, max_requests=3))
    changes = (await daemon.ask("Reload", wait=True))["changes"]
    assert ("models.m", "done") in {(each["subject"], each["outcome"]) for each in changes}
    assert (daemon.model("m")["state"], daemon.model("m")["max_requests"]) == ("asleep", 3)
    assert len((await ask(daemon)).split()) > 1
    assert daemon.model("m")["state"] == "ready"


async def test_servectl_wakes_and_holds(daemon: RunningDaemon) -> None:
    """Start starts what sleeps; what was stopped sleeps no more, so that no request wakes it."""
    daemon.write(model(preload=False))
    await daemon.start()
    await daemon.ask("Start", model="m", wait=True)
    assert daemon.model("m")["state"] == "ready"
    await daemon.ask("Stop", model="m", wait=True)
    await daemon.until(lambda status: status["gateway"]["state"] == "ready")
    async with daemon.http() as client:
        reply = await client.post("/v1/responses", json={"model": "m", "input": "hello"})
    assert reply.status_code == 503
    assert daemon.model("m")["state"] == "stopped"


async def test_no_request_is_lost_to_sleep(daemon: RunningDaemon) -> None:
    """Requests that come while it falls asleep are finished or wait, and all are answered."""
    await daemon.started(model(idle_timeout=0.01))
    texts: list[str] = []

    async def keep_asking(pause: float) -> None:
        for _ in range(12):
            texts.append(await ask(daemon))
            await asyncio.sleep(pause)  # the time in which a client of this kind is idle

    await asyncio.gather(*(keep_asking(0.3 + 0.01 * number) for number in range(3)))
    assert len(texts) == 36
    assert set(texts) == {texts[0]}
    assert await event_with(daemon, "idle for 0.01 s")
