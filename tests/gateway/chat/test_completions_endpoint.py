"""POST /v1/completions over HTTP, streamed and whole."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fakes.artefacts import make_tokenizer
from fakes.behaviour import counting
from fakes.chunks import read_chunks
from fakes.supervisor import FakeSupervisor
from serve_daemon.wire.messages import Submit

PATH = "/v1/completions"
HELLO = "<|user|>hello<|end|><|assistant|>"  # to which the fake engine says: hello


def ask(prompt: Any = HELLO, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": prompt, **fields}


def tokens_of(text: str) -> list[int]:
    return list(make_tokenizer().encode(text).ids)


async def test_a_whole_reply(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """No template is applied: the tokens are those of the text."""
    await supervisor.serve("fake:")
    reply = (await client.post(PATH, json=ask())).json()
    assert reply["object"] == "text_completion"
    assert reply["id"].startswith("cmpl-")
    assert reply["choices"] == [
        {"text": "hello", "index": 0, "finish_reason": "stop", "logprobs": None}
    ]
    assert reply["usage"]["prompt_tokens"] == len(tokens_of(HELLO))
    assert reply["usage"]["completion_tokens"] == 6


async def test_token_ids_are_taken_as_they_are(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Alone, and in a batch."""
    await supervisor.serve("fake:")
    bye = tokens_of("<|user|>bye<|end|><|assistant|>")
    reply = (await client.post(PATH, json=ask(tokens_of(HELLO)))).json()
    assert [choice["text"] for choice in reply["choices"]] == ["hello"]
    reply = (await client.post(PATH, json=ask([tokens_of(HELLO), bye]))).json()
    assert [choice["text"] for choice in reply["choices"]] == ["hello", "bye"]


async def test_sixteen_tokens_are_the_default(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """As in OpenAI's API."""
    await supervisor.serve("fake:text=count,token_delay=0")
    [choice] = (await client.post(PATH, json=ask("<|assistant|>"))).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == (counting(16), "length")


async def test_a_stream(client: httpx.AsyncClient, supervisor: FakeSupervisor) -> None:
    """The text in pieces, the finish reason, and the usage where it is asked for."""
    await supervisor.serve("fake:")
    options = {"include_usage": True}
    body = ask(stream=True, stream_options=options)
    *chunks, last = read_chunks((await client.post(PATH, json=body)).text)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 6
    assert all(chunk["usage"] is None for chunk in chunks)
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["text"] for choice in choices) == "hello"
    assert [choice["finish_reason"] for choice in choices[-2:]] == [None, "stop"]
    chunks = read_chunks((await client.post(PATH, json=ask(stream=True))).text)
    assert not any("usage" in chunk for chunk in chunks)


async def test_a_batch_of_prompts_with_several_answers(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Those of the first prompt come first; each prompt's tokens count once."""
    await supervisor.serve("fake:", max_requests=2)
    prompts = [f"<|user|>{word}<|end|><|assistant|>" for word in ("one", "two", "three")]
    body = ask(prompts, n=2)
    reply = (await client.post(PATH, json=body)).json()
    assert [(choice["index"], choice["text"]) for choice in reply["choices"]] == [
        (0, "one"),
        (1, "one"),
        (2, "two"),
        (3, "two"),
        (4, "three"),
        (5, "three"),
    ]
    assert reply["usage"]["prompt_tokens"] == sum(len(tokens_of(prompt)) for prompt in prompts)
    streamed = read_chunks((await client.post(PATH, json={**body, "stream": True})).text)
    texts = [""] * 6
    ends = []
    for chunk in streamed:
        [choice] = chunk["choices"]
        texts[choice["index"]] += choice["text"]
        ends += [choice["index"]] * (choice["finish_reason"] == "stop")
    assert texts == ["one", "one", "two", "two", "three", "three"]
    assert sorted(ends) == list(range(6))


@pytest.mark.parametrize("prompt", [HELLO, tokens_of(HELLO)])
async def test_the_prompt_is_echoed(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, prompt: Any
) -> None:
    """Before the answer, or alone."""
    await supervisor.serve("fake:")
    [choice] = (await client.post(PATH, json=ask(prompt, echo=True))).json()["choices"]
    assert choice["text"] == HELLO + "hello"
    body = ask(prompt, echo=True, max_tokens=0)
    [choice] = (await client.post(PATH, json=body)).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == (HELLO, "length")
    chunks = read_chunks((await client.post(PATH, json={**body, "stream": True})).text)
    assert [chunk["choices"][0]["text"] for chunk in chunks] == [HELLO, ""]


async def test_log_probabilities_in_their_older_form(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Lists of equal length; a token's place is told in characters, of which some have two."""
    await supervisor.serve("fake:")
    body = ask("<|user|>the h\u00e9!<|end|><|assistant|>", logprobs=1)
    [choice] = (await client.post(PATH, json=body)).json()["choices"]
    logprobs = choice["logprobs"]
    assert logprobs["token_logprobs"] == [-0.5] * 6
    assert logprobs["tokens"] == ["the", " ", "h", "\ufffd", "\ufffd", "!"]
    assert logprobs["text_offset"] == [0, 3, 4, 5, 5, 6]
    assert [
        top[token] for token, top in zip(logprobs["tokens"], logprobs["top_logprobs"], strict=True)
    ] == [-0.5] * 6
    chunks = read_chunks((await client.post(PATH, json={**body, "stream": True})).text)
    parts = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [place for part in parts for place in part["text_offset"]] == logprobs["text_offset"]


async def test_what_the_model_makes_of_an_echoed_prompt(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Each of its tokens has a log-probability but the first, of which nothing can be said."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:record={record}", max_requests=2)
    body = ask(echo=True, logprobs=1, max_tokens=2)
    reply = (await client.post(PATH, json=body)).json()
    [choice] = reply["choices"]
    assert choice["text"] == HELLO + "he"
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == HELLO + "he"
    prompt = tokens_of(HELLO)
    assert logprobs["token_logprobs"] == [None] + [-0.5] * (len(prompt) - 1 + 2)
    assert logprobs["top_logprobs"][0] is None
    assert logprobs["top_logprobs"][1]["h"] == -0.5
    assert logprobs["text_offset"][:3] == [0, len("<|user|>"), len("<|user|>h")]
    [first, *_] = record.read_bytes().splitlines()
    asked = msgspec.json.decode(first, type=Submit, strict=False)
    assert (asked.tokens, asked.sampling.allowed) == (prompt[:-1], prompt[-1:])
    assert reply["usage"]["completion_tokens"] == 2
    chunks = read_chunks((await client.post(PATH, json={**body, "stream": True})).text)
    told = [chunk["choices"][0]["logprobs"]["tokens"] for chunk in chunks]
    assert [token for tokens in told for token in tokens] == logprobs["tokens"]
    body = ask("x" * 2049, echo=True, logprobs=1)
    assert "2048" in (await client.post(PATH, json=body)).json()["error"]["message"]


async def test_the_answer_is_shaped_as_that_of_a_chat(
    client: httpx.AsyncClient, supervisor: FakeSupervisor
) -> None:
    """Stop strings, the model's end, and how tokens are drawn."""
    record = supervisor.directory / "record"
    await supervisor.serve(f"fake:record={record},token_delay=0", max_context=200)
    [choice] = (await client.post(PATH, json=ask(stop="l"))).json()["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("he", "stop")
    fields = {"seed": 5, "temperature": 0.5, "min_p": 0.1, "ignore_eos": True, "max_tokens": 9}
    reply = (await client.post(PATH, json=ask(**fields))).json()
    assert reply["usage"]["completion_tokens"] == 9
    submit = last_submit(record)
    assert submit.tokens == tokens_of(HELLO)
    assert submit.stop_tokens == []
    assert (submit.sampling.seed, submit.sampling.temperature) == (5, 0.5)


def last_submit(record: Path) -> Submit:
    line = record.read_bytes().splitlines()[-1]
    return msgspec.json.decode(line, type=Submit, strict=False)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"prompt": [5000]}, "invalid_value"),
        ({"prompt": [[1], [1, 5000]]}, "invalid_value"),
        ({"prompt": ["fine", "too long " * 100]}, "context_length_exceeded"),
        ({"prompt": ["fine", ""], "stream": True}, "empty_string"),
        ({"prompt": "x", "suffix": "y"}, "unsupported_parameter"),
    ],
)
async def test_what_is_wrong_with_a_prompt_is_an_error(
    client: httpx.AsyncClient, supervisor: FakeSupervisor, fields: dict[str, Any], code: str
) -> None:
    """Before any of the others is answered, and also where a stream was asked for."""
    await supervisor.serve("fake:", max_context=200)
    assert (await client.post(PATH, json=ask())).status_code == 200  # the engine is connected
    reply = await client.post(PATH, json={"model": "m", **fields})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["code"], error["param"]) == (code, "suffix" if "suffix" in fields else "prompt")
