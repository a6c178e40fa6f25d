"""Kept responses as OpenAI's own client, which validates strictly, finds and steers them."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import pytest
import pytest_asyncio

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.routing import GatewaySettings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_supervisor() -> AsyncIterator[FakeSupervisor]:
    with tempfile.TemporaryDirectory(prefix="gw") as directory:
        settings = GatewaySettings(state_directory=f"{directory}/state", stall_timeout=60.0)
        supervisor = FakeSupervisor(Path(directory), settings)
        yield supervisor
        await supervisor.end()


async def test_a_conversation(supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI) -> None:
    """Gone on with, found, listed page by page, deleted."""
    await supervisor.serve("fake:")
    first = await sdk.responses.create(model="m", input="one")
    second = await sdk.responses.create(model="m", input="two", previous_response_id=first.id)
    assert (await sdk.responses.retrieve(second.id)).output_text == "two"
    listed = sdk.responses.input_items.list(second.id, order="asc", limit=1)
    items = [item.to_dict() async for item in listed]
    assert [each["content"][0]["text"] for each in items] == ["one", "one", "two"]  # type: ignore[index]
    await sdk.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        await sdk.responses.retrieve(second.id)


async def test_a_stream_that_is_left_and_taken_up_again(
    supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI
) -> None:
    """In the background, from the event after the last that was seen."""
    await supervisor.serve("fake:text=count,token_delay=0.002")
    stream = await sdk.responses.create(
        model="m", input="x", max_output_tokens=150, background=True, stream=True
    )
    text, response_id, last = "", "", 0
    async with stream:
        async for event in stream:
            last = event.sequence_number
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                text += event.delta
            if last == 40:
                break
    async for event in await sdk.responses.retrieve(response_id, stream=True, starting_after=last):
        assert event.sequence_number == last + 1
        last = event.sequence_number
        if event.type == "response.output_text.delta":
            text += event.delta
    assert text == counting(150)


async def test_a_response_that_is_cancelled(
    supervisor: FakeSupervisor, sdk: openai.AsyncOpenAI
) -> None:
    """Only in the background."""
    await supervisor.serve("fake:text=count", max_context=100_000)
    begun = await sdk.responses.create(model="m", input="x", background=True)
    assert begun.status in ("queued", "in_progress")
    assert (await sdk.responses.cancel(begun.id)).status == "cancelled"
    assert (await sdk.responses.retrieve(begun.id)).status == "cancelled"
    whole = await sdk.responses.create(model="m", input="x", max_output_tokens=5)
    with pytest.raises(openai.BadRequestError, match="background"):
        await sdk.responses.cancel(whole.id)
