"""servectl pull on a running daemon, from a Hub on loopback."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.hub import COMMIT, FakeHub
from integration.daemon import RunningDaemon
from integration.test_apply import servectl

MODELS = '[models.m]\nsource = "fake:"\n[models.hub]\nsource = "org/small"\npreload = false\n'
MEBIBYTE = 1024 * 1024
SMALL = {"config.json": b"{}", "model.safetensors": b"weights" * 1000, "tokenizer.json": b"[]"}
LARGE = {"a-Q4_K_M.gguf": bytes(range(256)) * 4096 * 25}  # more than the library buffers


@pytest.fixture
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()
    hub.repositories = {"org/small": SMALL, "org/large": LARGE}
    with hub.running():
        yield hub


async def start(daemon: RunningDaemon, hub: FakeHub) -> Path:
    """Returns the cache."""
    cache = daemon.directory / "hub"
    daemon.environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache)}
    daemon.environment.pop("HF_HUB_OFFLINE", None)
    daemon.write(MODELS)
    await daemon.start()
    return cache


async def test_a_source_is_downloaded_once(daemon: RunningDaemon, fake_hub: FakeHub) -> None:
    """By the daemon, by the name of a model or its own; and what can't be had is told."""
    cache = await start(daemon, fake_hub)
    status, output = await servectl(daemon, "pull", "hub")
    folder = cache / "models--org--small" / "snapshots" / COMMIT
    assert (status, output.splitlines()[-1]) == (0, str(folder)), output
    assert (folder / "model.safetensors").read_bytes() == SMALL["model.safetensors"]
    served = list(fake_hub.served)
    status, output = await servectl(daemon, "pull", "org/small", "--json")
    assert json.loads(output.splitlines()[-1])["path"] == str(folder)
    assert fake_hub.served == served
    for source, why in (("org/none", "is not on the Hub"), ("m", "give a directory")):
        status, output = await servectl(daemon, "pull", source)
        assert (status, why in output) == (1, True), output
    fake_hub.repositories["org/huge"] = SMALL
    fake_hub.claimed_bytes["model.safetensors"] = 10**15
    status, output = await servectl(daemon, "pull", "org/huge")
    assert (status, "GiB free" in output) == (1, True), output


async def test_what_is_interrupted_is_gone_on_from(
    daemon: RunningDaemon, fake_hub: FakeHub
) -> None:
    """Ctrl-C ends the download as well, and nothing of it is read again."""
    cache = await start(daemon, fake_hub)
    name = "a-Q4_K_M.gguf"
    fake_hub.hold_after[name] = 21 * MEBIBYTE
    pulling = await asyncio.create_subprocess_exec(
        *daemon.servectl("pull", "org/large"), stderr=asyncio.subprocess.PIPE
    )
    assert await asyncio.to_thread(fake_hub.held.wait, 60)
    blobs = cache / "models--org--large" / "blobs"
    await daemon.until_true(lambda: any(each.stat().st_size for each in blobs.iterdir()))
    pulling.send_signal(signal.SIGINT)
    _, told = await pulling.communicate()
    assert (pulling.returncode, b"goes on from what has arrived" in told) == (130, True), told
    fake_hub.hold_after.clear()
    status, output = await servectl(daemon, "pull", "org/large")
    assert status == 0, output
    assert output.splitlines()[-1].endswith(f"/snapshots/{COMMIT}/{name}")
    (blob,) = blobs.iterdir()
    assert blob.read_bytes() == LARGE[name]
    (asked,) = fake_hub.ranges
    assert int(asked.removeprefix("bytes=").rstrip("-")) >= 10 * MEBIBYTE
