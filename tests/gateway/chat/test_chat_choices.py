"""Several choices of POST /v1/chat/completions, over HTTP."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fakes.behaviour import counting
from fakes.chunks import choices_of, read_chunks
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from serve_daemon.gateway.chat.choices import derived_seed
from serve_daemon.wire.messages import Submit

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


async def test_a_whole_reply_has_n_choices(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Each with its index; the prompt counts once."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:record={record}", max_requests=2)
    one = (await client.post(PATH, json=ASK)).json()
    reply = (await client.post(PATH, json={**ASK, "n": 5, "seed": 3})).json()
    assert [choice["index"] for choice in reply["choices"]] == list(range(5))
    assert {choice["message"]["content"] for choice in reply["choices"]} == {"hello"}
    assert reply["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert reply["usage"]["completion_tokens"] == 5 * one["usage"]["completion_tokens"]
    seeds = [submit.sampling.seed for submit in submits(record)[-5:]]
    assert sorted(seeds) == sorted(derived_seed(3, choice) for choice in range(5))
    await supervisor.until_idle()
    gateway = supervisor.gateway
    await gateway.until(lambda: len([each for each in gateway.records if "model" in each]) > 1)
    logged = [each for each in gateway.records if "model" in each][-1]
    assert logged["prompt_tokens"] == reply["usage"]["prompt_tokens"]
    assert logged["completion_tokens"] == reply["usage"]["completion_tokens"]


def submits(record: Path) -> list[Submit]:
    lines = [msgspec.json.decode(line) for line in record.read_bytes().splitlines()]
    return [msgspec.convert(line, Submit, strict=False) for line in lines if line[0] == "Submit"]


async def test_a_stream_has_n_choices(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Each begins with its role and ends with its reason; the usage of all comes last."""
    await supervisor.serve("fake:text=count", max_requests=2)
    body = {**ASK, "n": 3, "max_tokens": 9, "stream": True}
    body["stream_options"] = {"include_usage": True}
    *chunks, last = read_chunks((await client.post(PATH, json=body)).text)
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["usage"] for chunk in chunks} == {None}
    for index in range(3):
        choices = choices_of(chunks, index)
        assert choices[0]["delta"]["role"] == "assistant"
        assert "".join(each["delta"].get("content", "") for each in choices) == counting(9)
        reasons = [choice["finish_reason"] for choice in choices]
        assert reasons == [None] * (len(choices) - 1) + ["length"]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 27


async def test_the_failure_of_one_ends_the_reply(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """As the status, or as the last event of the stream; nothing is left at the engine."""
    engine = await supervisor.serve("fake:text=count,error_on=2", max_context=100_000)
    reply = await client.post(PATH, json={**ASK, "n": 3})
    assert reply.status_code == 500
    await engine.until_sequences(0)
    engine = await supervisor.serve("fake:text=count,error_on=2", max_context=100_000)
    reply = await client.post(PATH, json={**ASK, "n": 3, "stream": True})
    assert read_chunks(reply.text)[-1]["error"]["code"] == "server_error"
    await engine.until_sequences(0)


@pytest.mark.parametrize("path", [PATH, "/v1/completions"])
async def test_a_client_that_leaves_ends_all_of_them(supervisor: FakeSupervisor, path: str) -> None:
    """Those that wait, too."""
    engine = await supervisor.serve("fake:text=count", max_context=100_000, max_requests=2)
    question = ASK if path == PATH else {"model": "m", "prompt": "<|assistant|>"}
    async with RawClient(supervisor.url) as client:
        await client.send(post(path, {**question, "n": 4, "max_tokens": 90_000, "stream": True}))
        await client.read_until(b'"index":1')
        await engine.until_sequences(2)
    await engine.until_sequences(0)
    await supervisor.until_idle()
    assert (await supervisor.until_record(path))["outcome"] == "disconnected"


async def test_a_client_that_leaves_while_its_prompt_is_scored_ends_that(
    supervisor: FakeSupervisor,
) -> None:
    """Which comes before there is a reply."""
    engine = await supervisor.serve("fake:prefill=30", max_requests=2)
    body = {"model": "m", "prompt": "a prompt", "echo": True, "logprobs": 1, "stream": True}
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/completions", body))
        await engine.until_sequences(1)
    await engine.until_sequences(0)
    record = await supervisor.until_record("/v1/completions")
    assert record["outcome"] == "disconnected"


async def test_a_bad_request_is_refused_once(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """With its status, although a stream was asked for."""
    await supervisor.serve("fake:", max_context=20)
    assert (await client.post(PATH, json=ASK)).status_code == 200  # the engine is connected
    body = {**ASK, "n": 3, "stream": True, "messages": [{"role": "user", "content": "long " * 9}]}
    reply = await client.post(PATH, json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "context_length_exceeded"
