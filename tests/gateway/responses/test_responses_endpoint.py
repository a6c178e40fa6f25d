"""POST /v1/responses over HTTP, streamed and whole."""

from typing import Any

import httpx
import msgspec
import pytest

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from serve_daemon.api.response_objects import Response

ASK: dict[str, Any] = {"model": "m", "input": "hello"}


def read_events(text: str) -> list[dict[str, Any]]:
    """The JSON events of a stream, whose names must be their types."""
    events: list[dict[str, Any]] = []
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames.pop() == "data: [DONE]"
    for frame in frames:
        name, data = frame.split("\n")
        events.append(msgspec.json.decode(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


async def test_a_whole_reply_says_everything(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Every key of a response object is there, and what was asked for is repeated."""
    await supervisor.serve("fake:")
    asked = {"temperature": 0.5, "top_p": 0.25, "metadata": {"a": "b"}, "instructions": "be brief"}
    asked |= {"presence_penalty": 0.5, "frequency_penalty": -0.5}
    reply = await client.post("/v1/responses", json={**ASK, **asked, "store": False})
    response = reply.json()
    assert set(response) == set(Response.__struct_fields__)
    assert {name: response[name] for name in asked} == asked
    assert (response["status"], response["store"], response["model"]) == ("completed", False, "m")
    assert response["output"][0]["content"] == [
        {"type": "output_text", "text": "hello", "annotations": [], "logprobs": []}
    ]
    usage = response["usage"]
    assert usage["output_tokens"] == 6  # five letters and the end mark
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}


async def test_a_stream_has_its_events_in_order(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Numbered from 0, with the same ids all along."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/responses", json={**ASK, "input": "hé😀", "stream": True})
    assert reply.headers["content-type"] == "text/event-stream"
    events = read_events(reply.text)
    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert "".join(event["delta"] for event in events[4:7]) == events[7]["text"] == "hé😀"
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1
    first, last = events[0]["response"], events[-1]["response"]
    assert set(first) == set(last) == set(Response.__struct_fields__)
    assert first["id"] == last["id"]
    assert (first["usage"], first["output"]) == (None, [])


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_cut_is_incomplete(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, *, stream: bool
) -> None:
    """With the reason, and all that there is of it."""
    await supervisor.serve("fake:text=count,token_delay=0")
    body = {**ASK, "max_output_tokens": 7, "stream": stream}
    reply = await client.post("/v1/responses", json=body)
    response = read_events(reply.text)[-1]["response"] if stream else reply.json()
    assert response["status"] == response["output"][0]["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][0]["content"][0]["text"] == counting(7)
    assert response["completed_at"] is None


async def test_an_answer_may_fill_the_context(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Without a limit of the client's, what is left of max_context is the limit."""
    await supervisor.serve("fake:text=count,token_delay=0", max_context=100)
    usage = (await client.post("/v1/responses", json=ASK)).json()["usage"]
    assert usage["total_tokens"] == 100


async def test_input_is_a_conversation(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Items of all roles, with strings or parts as content; the fake echoes the last user's."""
    await supervisor.serve("fake:")
    items = [
        {"role": "developer", "content": "be nice"},
        {"role": "user", "content": "one"},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [{"type": "output_text", "text": "two", "annotations": []}],
        },
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "three "},
                {"type": "input_text", "text": "four"},
            ],
        },
    ]
    reply = await client.post("/v1/responses", json={**ASK, "input": items})
    assert reply.json()["output"][0]["content"][0]["text"] == "three four"


async def test_a_stop_string_ends_the_answer_and_the_sequence(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """No part of it is seen, and the engine stops."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000)
    body = {**ASK, "stop": ["5 6", "never"], "stream": True}
    events = read_events((await client.post("/v1/responses", json=body)).text)
    assert events[-1]["type"] == "response.completed"
    assert "".join(event.get("delta", "") for event in events) == "1 2 3 4 "
    await engine.until_sequences(0)


async def test_what_is_asked_for_reaches_the_engine(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Sampling as the client wants it, else as generation_config.json does."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:temperature=0.75,record={record}")
    wanted = {"temperature": 0, "top_p": 0.5, "top_k": 7, "seed": -1, "max_output_tokens": 9}
    await client.post("/v1/responses", json={**ASK, **wanted})
    assert (await client.post("/v1/responses", json=ASK)).json()["temperature"] == 0.75
    given, default = (msgspec.json.decode(line) for line in record.read_bytes().splitlines())
    assert given[4] == 9
    assert given[6][:4] == [0.0, 0.5, 7, 2**64 - 1]
    assert default[6][:3] == [0.75, 1.0, 0]
    assert default[6][3] != given[6][3]  # a seed of its own


async def test_a_greedy_model_is_greedy_by_default(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """do_sample false means temperature 0."""
    await supervisor.serve("fake:greedy=1")
    assert (await client.post("/v1/responses", json=ASK)).json()["temperature"] == 0
