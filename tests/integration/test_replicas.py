"""Several engines of one model, and several gateways; with fake engines."""

import asyncio
import os
import signal
from typing import Any

from integration.daemon import RunningDaemon
from integration.streams import stream_response, text_of

LONG = " ".join(str(number) for number in range(60))
TEXTS = [f"{number} {LONG}" for number in range(4)]


def model(replicas: int, *, source: str = "fake:load=0.1,token_delay=0.02") -> str:
    return f'[models.m]\nsource = "{source}"\nreplicas = {replicas}\nrestart_delay = 20.0'


def serving(status: dict[str, Any]) -> list[int]:
    """The process ids of what serves."""
    replicas = status["models"][0]["replicas"]
    return [each["pid"] for each in replicas if each["role"] == "serving"]


async def serve(daemon: RunningDaemon, replicas: int) -> list[int]:
    await daemon.started(model(replicas))
    return serving(await daemon.until(lambda status: len(serving(status)) == replicas))


async def test_a_death_moves_its_streams_to_the_others(daemon: RunningDaemon) -> None:
    """The model stays ready, and no stream waits for the dead engine to come back."""
    pids = await serve(daemon, 2)
    async with daemon.http() as client:
        streams = [asyncio.create_task(text_of(client, model="m", input=text)) for text in TEXTS]
        await daemon.until_true(lambda: all(_work(daemon)))
        os.kill(pids[0], signal.SIGKILL)
        await daemon.until(lambda status: status["models"][0]["restarts"] == 1)
        found = daemon.model("m")
        assert (found["state"], found["pid"]) == ("ready", pids[1])
        texts = await asyncio.gather(*streams)
    assert texts == TEXTS
    assert serving(daemon.status()) == [pids[1]]  # all were done before it came back


def _work(daemon: RunningDaemon) -> list[bool]:
    return [each["running"] > 0 for each in daemon.model("m")["replicas"]]


async def test_a_reload_replaces_them_one_by_one(daemon: RunningDaemon) -> None:
    """The second when the first is settled; no stream loses a token."""
    before = await serve(daemon, 2)
    async with daemon.http() as client:
        streams = [asyncio.create_task(text_of(client, model="m", input=text)) for text in TEXTS]
        daemon.write(model(2, source="fake:load=0.2,token_delay=0.02"))
        await daemon.ask("Reload", wait=True)
        after = serving(daemon.status())
        assert len(after) == 2
        assert not set(before) & set(after)
        assert await asyncio.gather(*streams) == TEXTS
    replaced = [line for line in daemon.log().splitlines() if "has replaced" in line]
    assert len(replaced) == 2
    assert daemon.model("m")["restarts"] == 0


async def test_more_and_fewer_is_live(daemon: RunningDaemon) -> None:
    """One, three, one: the first process serves all along."""
    (first,) = await serve(daemon, 1)
    daemon.write(model(3))
    await daemon.ask("Reload", wait=True)
    assert len(serving(daemon.status())) == 3
    assert first in serving(daemon.status())
    daemon.write(model(1))
    await daemon.ask("Reload", wait=True)
    await daemon.until(lambda status: len(status["models"][0]["replicas"]) == 1)
    assert daemon.model("m")["pid"] == first


async def test_fewer_gateways_cut_no_stream(daemon: RunningDaemon) -> None:
    """The one that leaves finishes what it has, while the other answers."""
    await daemon.started(model(1), server="workers = 2")
    async with daemon.http() as client:
        stream = stream_response(client, model="m", input=LONG)
        text = await anext(stream)
        daemon.write(model(1), server="workers = 1")
        await daemon.ask("Reload", wait=True)
        text += "".join([delta async for delta in stream])
        assert text == LONG
        assert await text_of(client, model="m", input="still there?") == "still there?"


async def test_replicas_run_on_the_devices_that_are_named(daemon: RunningDaemon) -> None:
    """In turn, and each says on which it is; one that is added to the list moves nobody else."""
    named = model(2) + "\ndevice = {}"
    await daemon.started(named.format('["cpu", "cpu"]'))
    status = await daemon.until(lambda status: len(serving(status)) == 2)
    replicas = status["models"][0]["replicas"]
    assert [each["device"] for each in replicas] == ["cpu", "cpu"]
    before = serving(status)
    daemon.write(named.format('"cpu"').replace("replicas = 2", "replicas = 3"))
    await daemon.ask("Reload", wait=True)
    assert serving(daemon.status())[:2] == before
