"""Fake engines that take memory which isn't there for all of them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from integration.daemon import FAKE_PYTHON, RunningDaemon
from integration.streams import stream_response, text_of
from serve_daemon.config import probe
from serve_daemon.control.protocol import ControlError

CONFIG = {
    "model_type": "llama",
    "num_hidden_layers": 1,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 256,
    "max_position_embeddings": 4096,
}
PROBED = probe.Probe(
    versions={},
    devices=[probe.Device("cpu", "a processor", 2**34, ["float32"])],
    attn_implementations=["sdpa"],
    engines=["continuous"],
    quantization=[],
    program_bytes={"continuous": 2**20},
)
COUNT = "fake:text=count,token_delay=0.01"
LENGTH = 80


class SmallDaemon:
    """A daemon whose engines each take as much as any other, and have room for `size` of them."""

    def __init__(self, daemon: RunningDaemon, directory: Path) -> None:
        self.daemon = daemon
        self._directory = directory
        self._limit = 0
        cache = Path(daemon.environment["XDG_CACHE_HOME"]) / "serve-daemon"
        probe.store(str(cache), str(FAKE_PYTHON), PROBED)

    def model(self, name: str = "m", knobs: str = COUNT, **keys: Any) -> str:
        """A table, of a checkpoint whose header tells what it takes."""
        source = self._directory / knobs
        source.mkdir(exist_ok=True)
        (source / "config.json").write_text(json.dumps(CONFIG))
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        table = [f"[models.{name}]", f'source = "{source}"', "kv_cache_memory = 67108864"]
        return "\n".join([*table, 'load_format = "dummy"', *lines, ""])

    def write(self, *models: str) -> None:
        limit = f"memory_limit = {self._limit}\n[control]\nwatch = false\n"
        self.daemon.write(limit + "".join(models))

    async def started(self, *models: str, size: float) -> None:
        """With these models ready or asleep."""
        self.write(models[0])
        await self.daemon.start()
        first = await self.daemon.until(lambda status: status["models"][0]["state"] == "ready")
        self._limit = int(first["models"][0]["estimate"]["total"] * size)
        await self.reload(*models)

    async def reload(self, *models: str) -> dict[str, dict[str, Any]]:
        """The changes, by subject; `ControlError` if one of them has failed."""
        self.write(*models)
        changes = (await self.daemon.ask("Reload", wait=True))["changes"]
        return {each["subject"]: each for each in changes}

    def planned(self, *models: str) -> dict[str, Any]:
        """The change of the only model that changes."""
        self.write(*models)
        changes = self.daemon.call("Plan")["changes"]
        (change,) = [each for each in changes if each["action"] != "keep"]
        return dict(change)


@pytest.fixture
def small(daemon: RunningDaemon, tmp_path: Path) -> SmallDaemon:
    return SmallDaemon(daemon, tmp_path)


def counting(client: httpx.AsyncClient, model: str = "m") -> asyncio.Task[str]:
    """A stream, of the same text each time."""
    request = text_of(client, model=model, input="count", max_output_tokens=LENGTH)
    return asyncio.create_task(request)


async def begun(client: httpx.AsyncClient, model: str = "m") -> asyncio.Task[str]:
    """Such a stream, whose first token is there."""
    deltas = stream_response(client, model=model, input="count", max_output_tokens=LENGTH)
    first = await anext(deltas)

    async def rest() -> str:
        return first + "".join([each async for each in deltas])

    return asyncio.create_task(rest())


async def test_a_swap_loses_nothing(small: SmallDaemon) -> None:
    """Streams end as they should, what comes meanwhile waits, and there is one engine at a time."""
    await small.started(small.model(), size=1.5)
    async with small.daemon.http() as client:
        streams = [await begun(client) for _ in range(8)]
        changed = small.model(max_requests=16)
        planned = small.planned(changed)
        assert (planned["requests_wait"], planned["reason"]) == (True, "")
        reload = asyncio.create_task(small.reload(changed))
        await small.daemon.until(lambda status: status["models"][0]["pid"] is None)
        streams += [counting(client) for _ in range(4)]
        texts = {await each for each in streams}
        assert (await reload)["models.m"]["outcome"] == "done"
    assert {len(each) for each in texts} == {LENGTH}
    assert len(texts) == 1
    model = small.daemon.model("m")
    assert (model["state"], model["max_requests"]) == ("ready", 16)
    assert "its successor has no room beside it" in small.daemon.log()


async def test_a_swap_that_fails_has_the_old_engine_come_back(small: SmallDaemon) -> None:
    """The reload has failed; what streams and what waits loses nothing by it."""
    await small.started(small.model(), size=1.5)
    async with small.daemon.http() as client:
        streams = [await begun(client)]
        reload = asyncio.create_task(small.reload(small.model(knobs="fake:fail=source")))
        await small.daemon.until(lambda status: status["models"][0]["pid"] is None)
        streams.append(counting(client))
        with pytest.raises(ControlError) as failed:
            await reload
        assert [len(await each) for each in streams] == [LENGTH] * 2
    outcomes = {each["subject"]: each for each in failed.value.parameters["changes"]}
    assert outcomes["models.m"]["reason"].startswith("source: ")
    model = await small.daemon.until_model("m", state="ready")
    assert model["source"].endswith(COUNT)
    assert model["restarts"] == 0


async def test_replicas_swap_while_the_others_serve(small: SmallDaemon) -> None:
    """One by one, where a third engine has no room."""
    await small.started(small.model(replicas=2), size=2.5)
    changed = small.model(replicas=2, max_requests=16)
    assert not small.planned(changed)["requests_wait"]
    async with small.daemon.http() as client:
        streams = [await begun(client) for _ in range(4)]
        assert (await small.reload(changed))["models.m"]["outcome"] == "done"
        assert {len(await each) for each in streams} == {LENGTH}
    assert "starting" not in {each["new"] for each in await _states(small.daemon)}


async def _states(daemon: RunningDaemon) -> list[dict[str, Any]]:
    """What the model's states became since it was ready first."""
    states = []
    async for event in daemon.events():
        if event["kind"] == "state":
            states.append(event)
        if event["message"].startswith("reload applied"):
            return states[2:]
    raise AssertionError("no end")


async def test_what_has_no_room_is_refused_and_nothing_is_touched(small: SmallDaemon) -> None:
    """Beforehand as in the act, with the key that would do."""
    await small.started(small.model(), size=1.5)
    pid = small.daemon.model("m")["pid"]
    larger = small.model().replace("67108864", "671088640")
    planned = small.planned(larger)
    with pytest.raises(ControlError) as failed:
        await small.reload(larger)
    (change,) = [each for each in failed.value.parameters["changes"] if each["outcome"] == "failed"]
    assert change["reason"] == planned["reason"]
    assert change["reason"].startswith("no-room: needs ")
    assert "lower kv_cache_memory to " in change["reason"]
    assert small.daemon.model("m")["pid"] == pid


async def test_a_model_takes_the_place_of_another(small: SmallDaemon) -> None:
    """It waits until that one has left, and what streams there is not cut."""
    await small.started(small.model("a"), size=1.5)
    async with small.daemon.http() as client:
        stream = await begun(client, "a")
        outcomes = await small.reload(small.model("b"))
        assert len(await stream) == LENGTH
        assert len(await counting(client, "b")) == LENGTH
    assert {each["outcome"] for each in outcomes.values()} == {"done"}
    assert "waits until others have left room" in small.daemon.log()


async def test_a_model_that_has_no_room_to_wake_says_so(small: SmallDaemon) -> None:
    """Its requests get the reason, and once there is room it wakes by itself."""
    late = small.model("late", preload=False)
    await small.started(small.model("m"), late, size=1.5)
    async with small.daemon.http() as client:
        asked = {"model": "late", "input": "x"}
        refused = await client.post("/v1/responses", json=asked)
        assert refused.status_code == 503
        assert "no-room: needs " in refused.json()["error"]["message"]
        assert small.daemon.model("m")["state"] == "ready"
        await small.reload(late)
        await small.daemon.until_model("late", state="ready")
        assert len(await counting(client, "late")) == LENGTH
