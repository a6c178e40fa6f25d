"""What takes a new gateway, on a real daemon: nothing of what is open is lost, nor what comes."""

import asyncio
import shutil
from pathlib import Path

import httpx
import pytest

from integration.daemon import RunningDaemon, free_port
from integration.streams import stream_response, text_of
from serve_daemon.config import installed
from serve_daemon.control.protocol import ControlError

MODEL = '[models.m]\nsource = "fake:text=count,token_delay=0.02"\n'
UNWATCHED = "[control]\nwatch = false\n"


@pytest.fixture
def package(daemon: RunningDaemon, tmp_path: Path) -> Path:
    """The package that the daemon runs, and may be upgraded."""
    copy = tmp_path / "site" / "serve_daemon"
    shutil.copytree(installed.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    daemon.environment["PYTHONPATH"] = str(copy.parent)
    return copy


def gateway(daemon: RunningDaemon) -> int:
    pid: int = daemon.status()["gateway"]["pid"]
    return pid


async def test_an_upgraded_package_replaces_the_gateway(
    daemon: RunningDaemon, package: Path
) -> None:
    """By a reload, though the file is the same; once. The open stream goes on, beside others."""
    await daemon.started(UNWATCHED + MODEL, server="stall_timeout = 60.0")  # it is left unread
    before, engine = gateway(daemon), daemon.model("m")["pid"]
    async with daemon.http() as client:
        stream = stream_response(client, model="m", input="x", max_output_tokens=200)
        text = await anext(stream)
        with (package / "__init__.py").open("a") as module:
            module.write("# a later version\n")
        planned = {each["subject"]: each for each in daemon.call("Plan")["changes"]}
        assert planned["gateway"].items() >= {"action": "replace", "keys": ["package"]}.items()
        await daemon.ask("Reload", wait=True)
        after = gateway(daemon)
        assert after != before
        async with daemon.http() as other:
            assert len(await text_of(other, model="m", input="x", max_output_tokens=9)) == 9
        text += "".join([delta async for delta in stream])
        assert len(text) == 200
    await daemon.ask("Reload", wait=True)
    assert (gateway(daemon), daemon.model("m")["pid"]) == (after, engine)


async def test_an_upgrade_that_does_not_run_leaves_the_old_gateway(
    daemon: RunningDaemon, package: Path
) -> None:
    """The reload is failed; who mends the package may reload again."""
    await daemon.started(UNWATCHED + MODEL)
    before = gateway(daemon)
    sound = (package / "gateway" / "app.py").read_text()
    (package / "gateway" / "app.py").write_text("raise SystemExit(1)")
    with pytest.raises(ControlError):
        await daemon.ask("Reload", wait=True)
    async with daemon.http() as client:
        assert len(await text_of(client, model="m", input="x", max_output_tokens=9)) == 9
    assert gateway(daemon) == before
    (package / "gateway" / "app.py").write_text(sound + "# mended\n")
    await daemon.ask("Reload", wait=True)
    assert gateway(daemon) != before


@pytest.mark.long
async def test_one_more_address_and_one_less_lose_nothing(daemon: RunningDaemon) -> None:
    """The address that stays is served all along, by one gateway or the other."""
    more = free_port()
    await daemon.started(UNWATCHED + MODEL)
    both = f'listen = ["127.0.0.1:{daemon.port}", "127.0.0.1:{more}"]'
    one = f'listen = ["127.0.0.1:{daemon.port}"]'
    file = daemon.file.read_text()
    over = asyncio.Event()
    asking = [asyncio.ensure_future(ask_until(over, daemon)) for _ in range(2)]
    daemon.file.write_text(file.replace(one, both))
    await daemon.ask("Reload", wait=True)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{more}", timeout=60) as client:
        assert len(await text_of(client, model="m", input="x", max_output_tokens=9)) == 9
    daemon.file.write_text(file)
    await daemon.ask("Reload", wait=True)
    over.set()
    lengths = {length for each in await asyncio.gather(*asking) for length in each}
    assert lengths == {5}


async def ask_until(over: asyncio.Event, daemon: RunningDaemon) -> list[int]:
    """The lengths of answers, each asked for on a connection of its own."""
    lengths = []
    while not over.is_set():
        async with daemon.http() as client:
            lengths.append(len(await text_of(client, model="m", input="x", max_output_tokens=5)))
    return lengths
