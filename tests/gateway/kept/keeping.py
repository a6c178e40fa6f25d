"""What tests of kept responses share: a gateway with a state directory, and streams that resume."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

Event = dict[str, Any]
ENDED = ("completed", "incomplete", "failed", "cancelled")


async def events_of(reply: httpx.Response) -> AsyncIterator[Event]:
    """The JSON of each event of a stream, up to its [DONE]."""
    assert reply.status_code == 200, (await reply.aread()).decode()
    async for line in reply.aiter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            yield msgspec.json.decode(line.removeprefix("data: "))
    raise AssertionError("the stream ended without [DONE]")


async def resumed(client: httpx.AsyncClient, response_id: str, after: int) -> list[Event]:
    """All events of a kept response after this one."""
    query = {"stream": "true", "starting_after": str(after)}
    async with client.stream("GET", f"/v1/responses/{response_id}", params=query) as reply:
        return [event async for event in events_of(reply)]


async def some_of(client: httpx.AsyncClient, body: Event, count: int) -> list[Event]:
    """The first events of a stream, whose client then goes."""
    events: list[Event] = []
    async with client.stream("POST", "/v1/responses", json=body) as reply:
        async for event in events_of(reply):
            events.append(event)
            if len(events) == count:
                break
    return events


async def until_ended(client: httpx.AsyncClient, response_id: str) -> Event:
    """The response, asked for until it is made."""
    async with asyncio.timeout(60):
        while True:
            response: Event = (await client.get(f"/v1/responses/{response_id}")).json()
            if response["status"] in ENDED:
                return response
            await asyncio.sleep(0.05)


def text_of(events: list[Event]) -> str:
    """What the deltas say."""
    deltas = [each for each in events if each["type"] == "response.output_text.delta"]
    return "".join(each["delta"] for each in deltas)


def assert_whole(events: list[Event], text: str) -> None:
    """Numbers without a gap from 0, the text once, and a last event that says the same."""
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    assert text_of(events) == text
    last = events[-1]["response"]
    assert last["id"] == events[0]["response"]["id"]
    assert last["output"][0]["content"][0]["text"] == text
    assert len({each["item_id"] for each in events if "item_id" in each}) == 1
    assert last["output"][0]["id"] in {each.get("item_id") for each in events}
