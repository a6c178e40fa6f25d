"""servectl bench, chat and top on a running daemon, with fake engines."""

import asyncio
import json
from pathlib import Path

from fakes.certificates import Authority
from integration.daemon import RunningDaemon
from integration.test_apply import servectl
from serve_daemon.config.api_keys import hash_of

KEY = "sk-bench-0123456789"
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


async def test_keys_and_tls_are_no_obstacle(daemon: RunningDaemon, tmp_path: Path) -> None:
    """The address was told by the daemon itself; who has no key is told where to name one."""
    certificate, key = Authority().write(tmp_path, "models.example")
    tls = f'tls_certificate = "{certificate}"\ntls_key = "{key}"'
    await daemon.started(f'{MODELS}\n[keys.k]\nhash = "{hash_of(KEY)}"', server=tls)
    asked = ("bench", "m", "--streams", "2", "--new-tokens", "5", "--json")
    status, output = await servectl(daemon, *asked)
    assert (status, "name a key with --key, or in SERVECTL_API_KEY" in output) == (1, True), output
    status, output = await servectl(daemon, *asked, "--key", KEY)
    assert (status, json.loads(output)["runs"][0]["requests"]) == (0, 2)
    url = daemon.url.replace("http:", "https:")
    status, output = await servectl(daemon, *asked, "--key", KEY, "--url", url)
    assert (status, "certificate verify failed" in output.lower()) == (1, True), output
