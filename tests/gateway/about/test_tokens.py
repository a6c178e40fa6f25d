"""POST /tokenize and /detokenize."""

from typing import Any

import httpx
import pytest

from fakes.supervisor import FakeSupervisor

HELLO = {"model": "m", "messages": [{"role": "user", "content": "the end"}]}


async def test_a_text_there_and_back(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """With the strings of the vocabulary where asked for."""
    await supervisor.serve("fake:", max_context=500)
    body = {"model": "m", "prompt": "the é<|end|>"}
    tokenized = (await client.post("/tokenize", json={**body, "return_token_strs": True})).json()
    assert tokenized["count"] == len(tokenized["tokens"]) == 5
    assert tokenized["max_model_len"] == 500
    assert tokenized["token_strs"][0] == "the"
    assert tokenized["token_strs"][-1] == "<|end|>"
    back = await client.post("/detokenize", json={"model": "m", "tokens": tokenized["tokens"]})
    assert back.json() == {"prompt": body["prompt"]}


async def test_a_conversation_is_what_an_answer_is_asked_with(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """By the model's template; the marks that begin an answer can be left out."""
    await supervisor.serve("fake:")
    tokenized = (await client.post("/tokenize", json=HELLO)).json()
    answer = (await client.post("/v1/chat/completions", json=HELLO)).json()
    assert tokenized["count"] == answer["usage"]["prompt_tokens"]
    assert tokenized["token_strs"] is None
    less = (await client.post("/tokenize", json={**HELLO, "add_generation_prompt": False})).json()
    assert less["count"] == tokenized["count"] - 1


@pytest.mark.parametrize("tokens", [[], [3]])
async def test_few_tokens(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, tokens: list[int]
) -> None:
    """None at all among them."""
    await supervisor.serve("fake:")
    text = (await client.post("/detokenize", json={"model": "m", "tokens": tokens})).json()
    body = {"model": "m", "prompt": text["prompt"], "add_special_tokens": False}
    assert (await client.post("/tokenize", json=body)).json()["tokens"] == tokens


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {"model": "m"}, "prompt"),
        ("/tokenize", {"prompt": "x"}, "model"),
        ("/tokenize", {**HELLO, "prompt": "x"}, "messages"),
        ("/tokenize", {"model": "m", "prompt": "x", "tools": []}, "tools"),
        ("/tokenize", {**HELLO, "chat_template": "x"}, "chat_template"),
        ("/tokenize", {**HELLO, "pages": 1}, "pages"),
        ("/detokenize", {"model": "m"}, "tokens"),
        ("/detokenize", {"model": "m", "tokens": [-1]}, "tokens[0]"),
        ("/detokenize", {"model": "m", "tokens": [10**6]}, "tokens"),
        ("/detokenize", {"model": "m", "tokens": "x"}, "tokens"),
    ],
)
async def test_what_can_not_be_is_refused_by_name(
    client: httpx.AsyncClient,
    supervisor: FakeSupervisor,
    path: str,
    body: dict[str, Any],
    param: str,
) -> None:
    """With status 400."""
    await supervisor.serve("fake:")
    reply = await client.post(path, json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
