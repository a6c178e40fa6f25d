"""servectl bench, chat and top on a running daemon, with fake engines."""

import asyncio
import json

from integration.daemon import RunningDaemon
from integration.test_apply import servectl

MODELS = '[models.m]\nsource = "fake:token_delay=0.001"\nmax_requests = 4'


async def test_bench_chat_and_top_use_the_api_as_it_is(
    daemon: RunningDaemon,
) -> None:
    """What is asked for comes, and what engines do is seen."""
    await daemon.started(MODELS)
    asked = ("bench", "m", "--streams", "1,6", "--new-tokens", "20", "--json")
    status, output = await servectl(daemon, *asked)
    assert status == 0, output
    runs = json.loads(output)["runs"]
    assert [(each["streams"], each["output_tokens"]) for each in runs] == [(1, 20), (6, 120)]
    (engine,) = daemon.model("m")["replicas"]

    chat = await asyncio.create_subprocess_exec(
        *daemon.servectl("chat", "m", "--temperature", "0"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    answer, _ = await chat.communicate(b"hello there\n")
    assert (chat.returncode, answer) == (0, b"hello there\n")

    status, output = await servectl(daemon, "top", "--json")
    (model,) = json.loads(output)["models"]
    assert (model["name"], model["replicas"][0]["pid"]) == ("m", engine["pid"])
    assert model["replicas"][0]["cpu"] > 0
