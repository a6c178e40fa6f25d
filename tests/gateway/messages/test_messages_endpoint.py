"""POST /v1/messages over HTTP, streamed and whole, and its count of tokens."""

from typing import Any

import httpx
import msgspec
import pytest

from fakes.supervisor import FakeSupervisor

ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "hello"}],
}
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "b"}}\n</tool_call>'
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]


def ask(content: str, **fields: Any) -> dict[str, Any]:
    return {**ASK, "messages": [{"role": "user", "content": content}], **fields}


def read_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, each named as its type is."""
    events = []
    for frame in text.split("\n\n"):
        if frame and not frame.startswith(":"):
            name, data = frame.split("\n")
            event = msgspec.json.decode(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            events.append(event)
    return events


async def test_a_whole_message(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """Its blocks, why it ended, and the usage."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/messages", json=ASK)
    message = reply.json()
    assert reply.headers["request-id"] == reply.headers["x-request-id"]
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "m")
    assert message["content"] == [{"type": "text", "text": "hello", "citations": []}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
    assert message["usage"]["output_tokens"] == 6
    assert message["usage"]["input_tokens"] > 0


async def test_a_stream(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """The events in their order; no line of OpenAI's at its end."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/messages", json={**ASK, "stream": True})
    assert "[DONE]" not in reply.text
    events = [event for event in read_events(reply.text) if event["type"] != "ping"]
    kinds = [event["type"] for event in events]
    deltas = [event["delta"]["text"] for event in events if "text" in event.get("delta", {})]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[2:-3] == ["content_block_delta"] * len(deltas)
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert events[0]["message"]["content"] == []
    assert "".join(deltas) == "hello"
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    assert events[-2]["usage"]["output_tokens"] == 6


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_of_a_tool(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, *, stream: bool
) -> None:
    """A block with its input, which streams as JSON text."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/messages", json=ask(CALL, tools=TOOLS, stream=stream))
    if stream:
        events = read_events(reply.text)
        [block] = [each["content_block"] for each in events if "content_block" in each]
        parts = [each["delta"].get("partial_json", "") for each in events if "delta" in each]
        found, reason = msgspec.json.decode("".join(parts)), events[-2]["delta"]["stop_reason"]
    else:
        [block] = reply.json()["content"]
        found, reason = block["input"], reply.json()["stop_reason"]
    assert (block["type"], block["name"]) == ("tool_use", "f")
    assert found == {"a": "b"}
    assert reason == "tool_use"


async def test_why_an_answer_ended(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """A stop sequence is named; a limit is the request's or the model's."""
    await supervisor.serve("fake:text=count,token_delay=0", max_context=100)
    stopped = (await client.post("/v1/messages", json=ask("x", stop_sequences=["9", " 3"]))).json()
    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", " 3")
    assert stopped["content"][0]["text"] == "1 2"
    cut = (await client.post("/v1/messages", json=ask("x", max_tokens=3))).json()
    assert (cut["stop_reason"], cut["stop_sequence"]) == ("max_tokens", None)
    full = (await client.post("/v1/messages", json=ask("x"))).json()
    assert full["stop_reason"] == "model_context_window_exceeded"


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"model": "unknown"}, 404, "not_found_error"),
        ({"max_tokens": None}, 400, "invalid_request_error"),
        ({"speed": "fast"}, 400, "invalid_request_error"),
        ({"messages": [{"role": "user", "content": "template, refuse"}]}, 400, None),
    ],
)
async def test_errors_have_anthropics_shape(
    client: httpx.AsyncClient,
    supervisor: FakeSupervisor,
    fields: dict[str, Any],
    status: int,
    kind: str | None,
) -> None:
    """With the id of the request in body and header."""
    await supervisor.serve("fake:")
    reply = await client.post("/v1/messages", json={**ASK, **fields})
    body = reply.json()
    assert reply.status_code == status
    assert body["type"] == "error"
    assert body["error"]["type"] == (kind or "invalid_request_error")
    assert body["error"]["message"]
    assert body["request_id"] == reply.headers["request-id"]


async def test_an_error_in_a_stream(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """It is the last event."""
    await supervisor.serve("fake:error_on=1")
    reply = await client.post("/v1/messages", json={**ASK, "stream": True})
    last = read_events(reply.text)[-1]
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")


async def test_what_no_endpoint_answers_has_the_shape_too(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Another method, another type, a body that is too large."""
    await supervisor.configure(max_body_size=100)
    wrong_method = await client.get("/v1/messages")
    assert (wrong_method.status_code, wrong_method.json()["type"]) == (405, "error")
    wrong_type = await client.post("/v1/messages", content=b"x", headers={"content-type": "a/b"})
    assert (wrong_type.status_code, wrong_type.json()["type"]) == (415, "error")
    large = await client.post("/v1/messages", content=b"x" * 200)
    assert (large.status_code, large.json()["error"]["type"]) == (413, "request_too_large")


async def test_the_tokens_of_a_prompt_are_counted(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """As the usage of an answer has them."""
    await supervisor.serve("fake:")
    body = {name: value for name, value in ASK.items() if name != "max_tokens"}
    count = (await client.post("/v1/messages/count_tokens", json=body)).json()
    usage = (await client.post("/v1/messages", json=ASK)).json()["usage"]
    assert count == {"input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]}


async def test_a_model_that_does_not_think_is_not_made_to(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """It may think if it wants to, which it does not."""
    await supervisor.serve("fake:")
    enabled = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    refused = await client.post("/v1/messages", json={**ASK, **enabled})
    assert refused.status_code == 400
    assert "'thinking' can't be 'enabled'" in refused.json()["error"]["message"]
    for kind in ("adaptive", "disabled"):
        body = {**ASK, "thinking": {"type": kind}}
        assert (await client.post("/v1/messages", json=body)).status_code == 200


async def test_an_answer_goes_on_from_where_the_client_began_it(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The last message is the model's own, and is not told again."""
    await supervisor.serve("fake:")
    begun = [*ASK["messages"], {"role": "assistant", "content": "hel"}]
    message = (await client.post("/v1/messages", json={**ASK, "messages": begun})).json()
    assert message["content"][0]["text"] == "lo"
