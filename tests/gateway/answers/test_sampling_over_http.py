"""What shapes the draw, from an HTTP request to what the engine is told."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fakes.behaviour import counting
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import Submit
from serve_daemon.wire.sampling import Sampling

PATHS = ("/v1/responses", "/v1/chat/completions")


def ask(path: str, **fields: Any) -> dict[str, Any]:
    question = {"messages": [{"role": "user", "content": "hello"}]}
    return {"model": "m", **({"input": "hello"} if path == PATHS[0] else question), **fields}


def text_of(reply: dict[str, Any]) -> str:
    if "output" in reply:
        return str(reply["output"][0]["content"][0]["text"])
    return str(reply["choices"][0]["message"]["content"])


def last_submit(record: Path) -> Submit:
    line = record.read_bytes().splitlines()[-1]
    return msgspec.json.decode(line, type=Submit, strict=False)


@pytest.mark.parametrize("path", PATHS)
async def test_the_engine_is_told_what_was_asked(
    path: str, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Every parameter, under either endpoint; nothing was output before."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:record={record}")
    shape: dict[str, Any] = {
        "min_p": 0.1,
        "typical_p": 0.9,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "min_tokens": 2,
    }
    words = {"bad_words": ["the"], "allowed_token_ids": [7]}
    fields = {**shape, **words, "seed": 1, "logit_bias": {"3": -100}, "stop_token_ids": [4]}
    reply = await client.post(path, json=ask(path, **fields))
    assert reply.status_code == 200
    submit = last_submit(record)
    assert [len(sequence) for sequence in submit.sampling.banned] == [1, 1]
    assert msgspec.structs.replace(submit.sampling, banned=[]) == Sampling(
        seed=1, logit_bias={3: -100.0}, allowed=[7], **shape
    )
    assert submit.stop_tokens[-1] == 4
    assert len(submit.stop_tokens) > 1
    assert submit.num_output == 0


@pytest.mark.parametrize("path", PATHS)
async def test_the_models_end_can_be_ignored(
    path: str, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Then only what the client names ends the answer, or its length."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:record={record}")
    limit = {"max_output_tokens" if path == PATHS[0] else "max_tokens": 20}
    reply = await client.post(path, json=ask(path, ignore_eos=True, **limit))
    submit = last_submit(record)
    assert submit.stop_tokens == []
    usage = reply.json()["usage"]
    assert 20 in (usage.get("output_tokens"), usage.get("completion_tokens"))
    await client.post(path, json=ask(path, ignore_eos=True, stop_token_ids=[4], **limit))
    assert last_submit(record).stop_tokens == [4]


@pytest.mark.parametrize("path", PATHS)
async def test_a_stop_string_waits_for_the_least_length(
    path: str, supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """One that comes earlier is text."""
    await supervisor.serve("fake:text=count")
    reply = await client.post(path, json=ask(path, stop=" ", min_tokens=12))
    assert text_of(reply.json()) == counting(13)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"100000": 1}}, "logit_bias"),
        ({"stop_token_ids": [100000]}, "stop_token_ids"),
        ({"allowed_token_ids": [1, 100000]}, "allowed_token_ids"),
        ({"min_tokens": 8, "max_output_tokens": 7}, "min_tokens"),
        ({"min_p": 2}, "min_p"),
    ],
)
async def test_what_the_model_can_not_do_is_refused_by_name(
    path: str,
    fields: dict[str, Any],
    param: str,
    supervisor: FakeSupervisor,
    client: httpx.AsyncClient,
) -> None:
    """With 400, before anything is generated."""
    await supervisor.serve("fake:")
    if path != PATHS[0] and "max_output_tokens" in fields:
        fields = {"min_tokens": 8, "max_tokens": 7}
    reply = await client.post(path, json=ask(path, **fields))
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == param
