"""POST /v1/responses with tools, images and long inputs, and the endpoints beside it."""

from typing import Any

import httpx
import msgspec
import openai
import pytest
from openai.types.responses import CompactedResponse, FunctionToolParam

from fakes.supervisor import FakeSupervisor
from gateway.items.response_stream import check_stream
from gateway.responses.test_responses_endpoint import read_events
from serve_daemon.api.sealed import SealedConversation, opened
from serve_daemon.gateway.responses.compaction import ASK

TOOL: FunctionToolParam = {
    "type": "function",
    "name": "look",
    "description": "Look there.",
    "parameters": {"type": "object", "properties": {"at": {"type": "integer"}}},
    "strict": False,
}
CALL = '<tool_call>\n{"name": "look", "arguments": {"at": 1}}\n</tool_call>'
ASK_FOR_CALL: dict[str, Any] = {"model": "m", "input": CALL, "tools": [TOOL]}  # it is echoed


def sdk_of(supervisor: FakeSupervisor) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{supervisor.url}/v1",
        api_key="any",
        max_retries=0,
        _strict_response_validation=True,
    )


async def test_a_call_is_an_item_of_the_output(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Whole and streamed; the tools and the choice of them are repeated."""
    await supervisor.serve("fake:")
    choice = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "look"}],
    }
    asked = {**ASK_FOR_CALL, "tool_choice": choice}
    whole = (await client.post("/v1/responses", json=asked)).json()
    streamed = await client.post("/v1/responses", json={**asked, "stream": True})
    response = check_stream(read_events(streamed.text))
    for each in (whole, response):
        (call,) = each["output"]
        assert (call["type"], call["name"], call["status"]) == (
            "function_call",
            "look",
            "completed",
        )
        assert msgspec.json.decode(call["arguments"]) == {"at": 1}
        assert (each["tools"], each["tool_choice"]) == ([TOOL], choice)


async def test_the_sdk_goes_through_a_turn_with_a_tool(supervisor: FakeSupervisor) -> None:
    """Output items are sent back as they came, with the result."""
    await supervisor.serve("fake:")
    async with sdk_of(supervisor) as sdk:
        first = await sdk.responses.create(model="m", input=CALL, tools=[TOOL])
        (call,) = first.output
        assert call.type == "function_call"
        second = await sdk.responses.create(
            model="m",
            tools=[TOOL],
            input=[
                {"role": "user", "content": "look"},
                call.to_dict(),  # type: ignore[list-item]
                {"type": "function_call_output", "call_id": call.call_id, "output": "found"},
                {"role": "user", "content": "thanks"},
            ],
        )
        assert second.output_text == "thanks"


async def test_the_sdk_follows_a_call_as_it_comes(supervisor: FakeSupervisor) -> None:
    """The stream helper builds the same call from the events."""
    await supervisor.serve("fake:")
    async with (
        sdk_of(supervisor) as sdk,
        sdk.responses.stream(model="m", input=CALL, tools=[TOOL]) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert "response.function_call_arguments.delta" in kinds
    (call,) = final.output
    assert call.type == "function_call"
    assert msgspec.json.decode(call.arguments) == {"at": 1}


async def test_an_error_within_a_stream_is_raised(supervisor: FakeSupervisor) -> None:
    """The SDK knows it as an error, with its code."""
    await supervisor.serve("fake:error_on=1")
    async with sdk_of(supervisor) as sdk:
        stream = await sdk.responses.create(model="m", input="x", stream=True)
        with pytest.raises(openai.APIError, match="failed on this request") as failed:
            [event async for event in stream]
    assert failed.value.code == "server_error"


async def test_an_image_does_not_make_a_text_model_fail(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """It is told that there was one."""
    await supervisor.serve("fake:")
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
    ]
    body = {"model": "m", "input": [{"role": "user", "content": parts}]}
    text = (await client.post("/v1/responses", json=body)).json()["output"][0]["content"][0]["text"]
    assert "What is it?" in text
    assert "image" in text


@pytest.mark.parametrize("truncation", ["auto", "disabled"])
async def test_a_long_input_is_cut_where_the_client_agrees(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, truncation: str
) -> None:
    """Else it is refused; the end of it is what is answered."""
    await supervisor.serve("fake:", max_context=200)
    turns = [
        {"role": role, "content": f"{role} {number} " + "x" * 20}
        for number in range(20)
        for role in ("user", "assistant")
    ]
    items = [*turns, {"role": "user", "content": "the end"}]
    body = {"model": "m", "input": items, "truncation": truncation}
    reply = await client.post("/v1/responses", json=body)
    if truncation == "disabled":
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "context_length_exceeded"
        return
    response = reply.json()
    assert response["output"][0]["content"][0]["text"] == "the end"
    assert response["truncation"] == "auto"
    assert 100 < response["usage"]["input_tokens"] <= 150


async def test_deltas_are_padded_where_the_client_asks(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """So that a line's length tells little of the text in it."""
    await supervisor.serve("fake:")
    options = {"stream": True, "stream_options": {"include_obfuscation": True}}
    body = {"model": "m", "input": "padded", **options}
    events = read_events((await client.post("/v1/responses", json=body)).text)
    check_stream(events)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    lengths = {(len(delta["delta"]) + len(delta["obfuscation"])) % 16 for delta in deltas}
    assert lengths == {0}


async def test_tokens_of_an_input_are_counted(supervisor: FakeSupervisor) -> None:
    """As many as the usage says of the same request; tools are told in the prompt."""
    await supervisor.serve("fake:")
    async with sdk_of(supervisor) as sdk:
        response = await sdk.responses.create(model="m", input="héllo", instructions="be brief")
        assert response.usage is not None
        count = await sdk.responses.input_tokens.count(
            model="m", input="héllo", instructions="be brief"
        )
        assert count.input_tokens == response.usage.input_tokens
        with_tools = await sdk.responses.input_tokens.count(
            model="m", input="héllo", instructions="be brief", tools=[TOOL]
        )
        assert with_tools.input_tokens > count.input_tokens


async def test_a_conversation_is_made_short(supervisor: FakeSupervisor) -> None:
    """The model sums it up (the fake repeats what it is asked); the open turn stays."""
    await supervisor.serve("fake:")
    async with sdk_of(supervisor) as sdk:
        compacted = await sdk.responses.compact(
            model="m",
            input=[
                {"role": "user", "content": "one"},
                {"role": "assistant", "content": "two"},
                {"role": "user", "content": "three"},
            ],
        )
        assert isinstance(compacted, CompactedResponse)
        (item,) = compacted.output
        assert item.type == "compaction"
        content = opened(item.encrypted_content, "", SealedConversation)
        assert content.summary == ASK
        assert [kept["content"][0]["text"] for kept in content.items] == ["three"]
        assert compacted.usage.output_tokens > len(ASK) / 2
        back = await sdk.responses.create(model="m", input=[item.to_dict()])  # type: ignore[list-item]
        assert back.output_text == "three"
        assert back.usage is not None
        assert back.usage.input_tokens > len(ASK) / 2


async def test_what_the_model_does_not_sum_up_stays(supervisor: FakeSupervisor) -> None:
    """A model that says nothing loses nothing."""
    await supervisor.serve("fake:text=silence")
    turns = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    async with sdk_of(supervisor) as sdk:
        compacted = await sdk.responses.compact(model="m", input=turns)  # type: ignore[arg-type]
        (item,) = compacted.output
        assert item.type == "compaction"
        content = opened(item.encrypted_content, "", SealedConversation)
        assert [kept["content"][0]["text"] for kept in content.items] == ["one", "two"]


async def test_what_can_not_be_made_shorter_stays(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """No model is asked; a body without a model, or without anything to sum up, is refused."""
    await supervisor.serve("fake:")
    path = "/v1/responses/compact"
    reply = await client.post(path, json={"model": "m", "input": "one"})
    assert reply.json()["usage"]["total_tokens"] == 0
    for body, param in (({"input": "one"}, "model"), ({"model": "m"}, "input")):
        refused = await client.post(path, json=body)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
