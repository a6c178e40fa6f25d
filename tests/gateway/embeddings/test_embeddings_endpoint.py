"""POST /v1/embeddings over HTTP, with fake engines."""

import asyncio
import base64
import signal
from typing import Any

import httpx
import msgspec
import openai
import pytest

from fakes.artefacts import make_tokenizer
from fakes.clients import RawClient, post
from fakes.supervisor import FakeSupervisor
from fakes.vectors import packed, vector_of

SOURCE = "fake:dimensions=3"
TOKENIZER = make_tokenizer()
ASK = {"model": "m", "input": "hello"}


def expected(text: str, dimensions: int = 3) -> list[float]:
    return vector_of(TOKENIZER.encode(text).ids, dimensions)


async def embed(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/v1/embeddings", json={**ASK, **fields})


async def test_one_text(supervisor: FakeSupervisor, client: httpx.AsyncClient) -> None:
    """As OpenAI answers; the model is named as it was asked for."""
    await supervisor.serve(SOURCE)
    reply = await embed(client, model="m-alias", user="somebody")
    assert reply.json() == {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": expected("hello")}],
        "model": "m-alias",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    record = await supervisor.until_record("/v1/embeddings")
    assert (record["model"], record["prompt_tokens"], record["status"]) == ("m", 5, 200)


async def test_several_texts_keep_their_order(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Also where they are so many that engines get them in parts."""
    await supervisor.serve(SOURCE, max_requests=2)
    texts = [f"{number}" * (1 + number % 5) for number in range(700)]
    reply = (await embed(client, input=texts)).json()
    assert [each["index"] for each in reply["data"]] == list(range(700))
    assert [each["embedding"] for each in reply["data"]] == [expected(text) for text in texts]
    tokens = [TOKENIZER.encode(text).ids for text in texts]
    assert reply["usage"]["total_tokens"] == sum(map(len, tokens))
    same = (await embed(client, input=tokens)).json()
    assert same["data"] == reply["data"]
    one = (await embed(client, input=tokens[3])).json()
    assert one["data"][0]["embedding"] == expected(texts[3])


async def test_base64_and_fewer_dimensions(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The bytes of float32; what is cut has length 1 again, and there is no more than there is."""
    await supervisor.serve(SOURCE)
    reply = (await embed(client, encoding_format="base64")).json()
    assert base64.b64decode(reply["data"][0]["embedding"]) == packed(expected("hello"))
    short = (await embed(client, dimensions=2)).json()["data"][0]["embedding"]
    first, second, _ = expected("hello")
    length = (first**2 + second**2) ** 0.5
    assert short == pytest.approx([first / length, second / length], abs=1e-7)
    whole = (await embed(client, dimensions=3)).json()["data"][0]["embedding"]
    assert whole == expected("hello")
    refused = await embed(client, dimensions=4)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "dimensions"


def sdk_of(supervisor: FakeSupervisor, *, is_strict: bool) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url=f"{supervisor.url}/v1",
        api_key="any",
        max_retries=0,
        _strict_response_validation=is_strict,
    )


async def test_openais_client(supervisor: FakeSupervisor) -> None:
    """It asks for base64 unless it is told otherwise, and by its own types that is no embedding."""
    await supervisor.serve(SOURCE)
    async with sdk_of(supervisor, is_strict=False) as sdk:
        made = await sdk.embeddings.create(model="m", input=["hello", "the"])
        assert [each.embedding for each in made.data] == [expected("hello"), expected("the")]
        assert made.usage.prompt_tokens == 6
    async with sdk_of(supervisor, is_strict=True) as sdk:
        plain = await sdk.embeddings.create(model="m", input="the", encoding_format="float")
        assert plain.data[0].embedding == expected("the")
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.embeddings.create(model="m", input="the", dimensions=9)
        assert refused.value.param == "dimensions"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/completions", {"prompt": "x"}),
    ],
)
async def test_an_embedding_model_generates_nothing(
    supervisor: FakeSupervisor, client: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    """And says which endpoint it is for."""
    await supervisor.serve(SOURCE)
    reply = await client.post(path, json={"model": "m", **body})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"], error["code"]) == (400, "model", "unsupported_model")
    assert error["message"] == "The model 'm' is an embedding model; use /v1/embeddings."


async def test_a_generating_model_makes_no_embeddings(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """The other way round."""
    await supervisor.serve("fake:")
    reply = await embed(client)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unsupported_model")
    assert "use /v1/responses" in reply.json()["error"]["message"]


async def test_what_is_too_long_is_refused(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Nothing is cut unasked; a text of the whole context is not too long."""
    await supervisor.serve(SOURCE, max_context=5)
    assert (await embed(client)).status_code == 200
    reply = await embed(client, input=["hello", "hello!"])
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "context_length_exceeded")
    assert error["param"] == "input[1]"
    cut = await embed(client, input="hello!", truncate_prompt_tokens=-1)
    assert cut.json()["data"][0]["embedding"] == expected("hello")


async def test_a_request_waits_for_an_engine_that_starts(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """As others do."""
    await supervisor.route("m")
    answer = asyncio.ensure_future(embed(client))
    await supervisor.gateway.until(lambda: supervisor.gateway_counts.open_requests == 1)
    await supervisor.serve(SOURCE)
    assert (await answer).json()["data"][0]["embedding"] == expected("hello")


async def test_vectors_are_made_again_where_an_engine_was_lost(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """By the next one, without the client noticing."""
    first = await supervisor.serve(f"{SOURCE},prefill=1000")
    answers = [asyncio.ensure_future(embed(client, input=text)) for text in ("a", "b")]
    await first.until_sequences(2)
    await supervisor.serve(SOURCE)
    first.kill(signal.SIGKILL)
    vectors = [(await answer).json()["data"][0]["embedding"] for answer in answers]
    assert vectors == [expected("a"), expected("b")]


async def test_all_vectors_of_a_reply_are_of_one_model(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """Where another model takes its place in between, the first part is made again as well."""
    record = supervisor.directory / "parts"
    first = await supervisor.serve(f"{SOURCE},crash_on=2,record={record}")
    texts = ["a"] * 300
    answer = asyncio.ensure_future(embed(client, input=texts))
    await first.process.wait()
    assert len(record.read_bytes().splitlines()) == 2
    await supervisor.serve("fake:dimensions=3,order=7")
    tokens = make_tokenizer(7).encode("a").ids
    vectors = [each["embedding"] for each in (await answer).json()["data"]]
    assert vectors == [vector_of(tokens, 3)] * 300


async def test_texts_that_end_every_engine_fail_alone(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """After two trials apart from others."""
    source = f"{SOURCE},poison=arsenic"
    engine = await supervisor.serve(source)
    answer = asyncio.ensure_future(embed(client, input=["x", "arsenic"]))
    for _ in range(2):
        await engine.process.wait()
        engine = await supervisor.serve(source)
    reply = await answer
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "engine_failed")
    await supervisor.serve(source)
    assert (await embed(client)).status_code == 200


async def test_a_client_that_leaves_frees_its_sequence(supervisor: FakeSupervisor) -> None:
    """The engine is told."""
    engine = await supervisor.serve(f"{SOURCE},prefill=1000")
    async with RawClient(supervisor.url) as client:
        await client.send(post("/v1/embeddings", msgspec.json.encode(ASK)))
        await engine.until_sequences(1)
    await engine.until_sequences(0)
    assert (await supervisor.until_record("/v1/embeddings"))["outcome"] == "disconnected"


async def test_too_many_open_requests_are_refused(
    supervisor: FakeSupervisor, client: httpx.AsyncClient
) -> None:
    """With the status and the header of any other endpoint."""
    engine = await supervisor.serve(f"{SOURCE},prefill=1000", max_requests=1)
    await supervisor.route("m", engine, max_queue=0)
    waiting = asyncio.ensure_future(embed(client))
    await engine.until_sequences(1)
    refused = await embed(client)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    waiting.cancel()
