"""Keys and the certificate of a real daemon, changed while it serves."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from fakes.certificates import Authority
from integration.daemon import WAIT_SECONDS, RunningDaemon
from integration.streams import stream_response, text_of
from serve_daemon.config.api_keys import hash_of

MODEL = '[models.m]\nsource = "fake:text=count,token_delay=0.02"\n'
UNWATCHED = "[control]\nwatch = false\n"
OLD, NEW = "sk-old-0123456789", "sk-new-0123456789"


def client_with(daemon: RunningDaemon, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=daemon.url, timeout=WAIT_SECONDS, headers=headers)


async def status_with(daemon: RunningDaemon, key: str) -> int:
    async with client_with(daemon, key) as client:
        return (await client.get("/v1/models")).status_code


def processes(daemon: RunningDaemon) -> tuple[int, int]:
    return daemon.status()["gateway"]["pid"], daemon.model("m")["pid"]


async def test_keys_change_and_no_process_does(daemon: RunningDaemon, tmp_path: Path) -> None:
    """A key that is gone is refused at once, a stream that was begun with it goes on."""
    file = tmp_path / "keys"
    file.touch(0o600)
    file.write_text(f"{OLD}\n")
    by_file = f'[keys.team]\ncredential = "{file}"\n'
    await daemon.started(UNWATCHED + by_file + MODEL, server="stall_timeout = 60.0")
    before = processes(daemon)
    async with client_with(daemon, OLD) as client:
        stream = stream_response(client, model="m", input="x", max_output_tokens=200)
        text = await anext(stream)
        file.write_text(f"{NEW}\n")
        planned = {each["subject"]: each for each in daemon.call("Plan")["changes"]}
        assert planned["gateway"].items() >= {"action": "update", "keys": ["keys.team"]}.items()
        await daemon.ask("Reload", wait=True)
        assert await status_with(daemon, OLD) == 401
        assert await status_with(daemon, NEW) == 200
        text += "".join([delta async for delta in stream])
    assert len(text) == 200
    daemon.write(UNWATCHED + MODEL, server="stall_timeout = 60.0")
    await daemon.ask("Reload", wait=True)
    assert await status_with(daemon, "anything") == 200
    assert processes(daemon) == before
    told = [str(daemon.call("GetConfig")), daemon.log(), str(daemon.status())]
    assert not any(key in each for key in (OLD, NEW) for each in told)


async def test_a_file_that_everyone_may_read_changes_nothing(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """The reload is refused with its place, and the key before it holds."""
    file = tmp_path / "keys"
    file.touch(0o644)
    file.write_text(f"{NEW}\n")
    by_hash = f'[keys.team]\nhash = "{hash_of(OLD)}"\n'
    await daemon.started(UNWATCHED + by_hash + MODEL)
    daemon.write(f'{UNWATCHED}[keys.team]\ncredential = "{file}"\n{MODEL}')
    line = daemon.file.read_text().splitlines().index(f'credential = "{file}"') + 1
    refused = await asyncio.create_subprocess_exec(
        *daemon.servectl("reload"), stderr=asyncio.subprocess.PIPE
    )
    _, told = await refused.communicate()
    assert refused.returncode != 0
    assert f"{daemon.file}:{line}:14: keys.team.credential: {file} may be read" in told.decode()
    assert await status_with(daemon, OLD) == 200
    assert await status_with(daemon, NEW) == 401


async def test_a_renewed_certificate_loses_no_request(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    """Clients that come all the while, some on connections that they keep, are all answered."""
    old, new = Authority(), Authority()
    certificate, key = old.write(tmp_path)
    server = f'tls_certificate = "{certificate}"\ntls_key = "{key}"'
    daemon.url = daemon.url.replace("http", "https")
    await daemon.started(UNWATCHED + MODEL, server=server)
    gateway, engine = processes(daemon)
    over = asyncio.Event()
    both = old.trust()
    both.load_verify_locations(cadata=new.certificate.decode())
    asking = [
        asyncio.ensure_future(ask_until(over, daemon, both, http2=http2, is_kept=is_kept))
        for http2 in (False, True)
        for is_kept in (False, True)
    ]
    new.write(tmp_path)
    await daemon.ask("Reload", wait=True)
    assert processes(daemon) == (daemon.status()["gateway"]["pid"], engine)
    assert processes(daemon)[0] != gateway
    async with client_of(daemon, new.trust()) as client:
        assert len(await text_of(client, model="m", input="x", max_output_tokens=5)) == 5
    over.set()
    assert {length for each in await asyncio.gather(*asking) for length in each} == {5}
    key.write_bytes(old.pair()[1])
    planned = await asyncio.create_subprocess_exec(
        *daemon.servectl("plan"), stderr=asyncio.subprocess.PIPE
    )
    _, told = await planned.communicate()
    assert "server.tls_key: is not the key of the certificate" in told.decode()


def client_of(daemon: RunningDaemon, trust: Any, *, http2: bool = True) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=daemon.url, timeout=WAIT_SECONDS, verify=trust, http2=http2)


async def ask_until(
    over: asyncio.Event, daemon: RunningDaemon, trust: Any, *, http2: bool, is_kept: bool
) -> list[int]:
    """The lengths of answers, each asked for on a connection of its own unless it is kept."""
    lengths = []
    client = client_of(daemon, trust, http2=http2)
    while not over.is_set():
        if not is_kept:
            await client.aclose()
            client = client_of(daemon, trust, http2=http2)
        lengths.append(len(await text_of(client, model="m", input="x", max_output_tokens=5)))
    await client.aclose()
    return lengths
