"""Calls of tools over HTTP: a fake engine says what the user says, in the generic form."""

import json
from typing import Any

import httpx

from fakes.artefacts import make_tokenizer
from fakes.chunks import read_chunks
from fakes.supervisor import FakeSupervisor

LOOK = {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}
CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "the sky"}}\n</tool_call>'
ASK: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": f"Let me see.\n{CALL}"}],
    "tools": [{"type": "function", "function": LOOK}],
}


async def test_a_call_in_a_whole_reply(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Beside the text, with the text of its arguments."""
    await supervisor.serve("fake:")
    reply = (await client.post("/v1/chat/completions", json=ASK)).json()
    [choice] = reply["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "Let me see."
    [call] = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "look", "arguments": '{"at": "the sky"}'}


async def test_a_call_in_a_stream(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """Its name first, then its arguments as they come."""
    await supervisor.serve("fake:")
    body = {**ASK, "stream": True}
    chunks = read_chunks((await client.post("/v1/chat/completions", json=body)).text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert calls[0]["function"]["name"] == "look"
    assert len(calls) > 5
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert json.loads(arguments) == {"at": "the sky"}
    assert "".join(delta.get("content") or "" for delta in deltas) == "Let me see."


async def test_with_no_tool_to_be_called_all_is_text(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """With none offered, or none to be chosen."""
    await supervisor.serve("fake:")
    for fields in ({"tools": None}, {"tool_choice": "none"}):
        reply = (await client.post("/v1/chat/completions", json={**ASK, **fields})).json()
        [choice] = reply["choices"]
        assert choice["finish_reason"] == "stop"
        assert choice["message"]["content"] == f"Let me see.\n{CALL}"


async def test_a_conversation_with_calls_is_taken_up(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """The call that a reply had, and its result, are what a template gets to see."""
    await supervisor.serve("fake:")
    message = (await client.post("/v1/chat/completions", json=ASK)).json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "blue"}
    body = {**ASK, "messages": [*ASK["messages"], message, result]}
    reply = (await client.post("/v1/chat/completions", json=body)).json()
    assert reply["choices"][0]["message"]["content"] == "<tool_response>\nblue\n</tool_response>"


async def test_a_bad_choice_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By its name."""
    await supervisor.serve("fake:")
    body = {**ASK, "tool_choice": {"type": "function", "function": {"name": "wait"}}}
    refused = await client.post("/v1/chat/completions", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "tool_choice"


async def test_reasoning_is_told_apart_and_counted(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Beside the content; in the usage, its tokens with those of the mark that ends it."""
    await supervisor.serve("fake:thinks=1")
    said = {"role": "user", "content": "<think>\nHm, so\n</think>\n\nYes."}
    body = {"model": "m", "messages": [said]}
    reply = (await client.post("/v1/chat/completions", json=body)).json()
    message = reply["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Yes.", "Hm, so")
    counted = reply["usage"]["completion_tokens_details"]["reasoning_tokens"]
    assert counted == len(make_tokenizer().encode("\nHm, so\n</think>").ids)


async def test_an_effort_that_the_template_can_not_tell_is_refused(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By the name that the endpoint has for it."""
    await supervisor.serve("fake:")
    said = [{"role": "user", "content": "hi"}]
    refused = await client.post(
        "/v1/chat/completions", json={"model": "m", "messages": said, "reasoning_effort": "high"}
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "reasoning_effort"
    body = {"model": "m", "input": "hi", "reasoning": {"effort": "high"}}
    refused = await client.post("/v1/responses", json=body)
    assert refused.json()["error"]["param"] == "reasoning.effort"
