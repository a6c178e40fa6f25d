"""Runs serve-daemon in a directory and waits for what it says."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from serve_daemon.control.client import Client

FAKE_PYTHON = Path(__file__).parent.parent / "fakes" / "python"
WAIT_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(name: str) -> str:
    """The path of one of our commands, as installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


class RunningDaemon:
    """A serve-daemon whose file, directories and address belong to one test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "serve.toml"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | {
            "XDG_RUNTIME_DIR": str(directory / "run"),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "XDG_STATE_HOME": str(directory / "state"),
        }
        self.socket = directory / "run" / "serve-daemon" / "control.sock"
        self.output = directory / "stderr"
        self.process: asyncio.subprocess.Process | None = None
        self.patience_seconds = WAIT_SECONDS

    # ------------------------------------------------------------ its life

    def write(self, models: str, *, server: str = "", fake: bool = True) -> None:
        """Write the file: our address, the fake engine unless told otherwise, then `models`."""
        engine = f'[engine]\npython = "{FAKE_PYTHON}"\n' if fake else ""
        self.file.write_text(
            f'[server]\nlisten = ["127.0.0.1:{self.port}"]\n{server}\n{engine}\n{models}\n'
        )

    async def start(self, *arguments: str) -> None:
        """Start it, and wait until the control socket answers."""
        with self.output.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                command("serve-daemon"),
                "--config",
                str(self.file),
                *arguments,
                env=self.environment,
                stderr=output,
            )
        await self.until_true(self._answers)

    async def started(self, models: str, *, server: str = "", fake: bool = True) -> None:
        """Write the file, start, and wait until all is ready."""
        self.write(models, server=server, fake=fake)
        await self.start()
        await self.until(lambda status: all(m["state"] == "ready" for m in status["models"]))
        await self.until(lambda status: status["gateway"]["state"] == "ready")

    async def end(self) -> int | None:
        """Have it stop as systemd would. Returns its exit status."""
        if self.process is None:
            return None
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                raise
        return self.process.returncode

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    # ------------------------------------------------------------ what it says

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the control socket and wait; for calls that are answered at once."""
        client = Client(self.socket)
        try:
            return client.call(method, **parameters)
        finally:
            client.close()

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the control socket from another thread; for calls that take their time."""
        return await asyncio.to_thread(self.call, method, **parameters)

    def status(self) -> dict[str, Any]:
        return self.call("Status")

    def model(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("Status", model=name)["models"][0]
        return found

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Every event since the daemon began, and on."""
        reader, writer = await asyncio.open_unix_connection(self.socket)
        call = {
            "method": "io.servedaemon.Control.Events",
            "parameters": {"since": 1, "follow": True},
            "more": True,
        }
        writer.write(json.dumps(call).encode() + b"\0")
        try:
            while True:
                reply = json.loads((await reader.readuntil(b"\0"))[:-1])
                yield reply["parameters"]["event"]
        finally:
            writer.close()

    async def until(self, predicate: Any) -> dict[str, Any]:
        """The first status that `predicate` holds for; asked again at each event."""
        async with asyncio.timeout(self.patience_seconds):
            async for _ in self.events():
                status = self.status()
                if predicate(status):
                    return status
        raise AssertionError("the daemon ended its events")

    async def until_model(self, name: str, **wanted: Any) -> dict[str, Any]:
        """The first status of a model with these values."""

        def holds(status: dict[str, Any]) -> bool:
            found = [each for each in status["models"] if each["name"] == name]
            return any(each.items() >= wanted.items() for each in found)

        status = await self.until(holds)
        return next(each for each in status["models"] if each["name"] == name)

    async def until_true(self, condition: Any) -> None:
        """Wait for what no event tells of: the socket of a daemon that is only starting."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not condition():
                assert self.process is not None
                assert self.process.returncode is None, self.output.read_text()
                await asyncio.sleep(0.01)

    def log(self) -> str:
        return self.output.read_text()

    # ------------------------------------------------------------ what it serves

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=WAIT_SECONDS)

    def servectl(self, *arguments: str) -> list[str]:
        """The command line of `servectl` for this daemon."""
        return [command("servectl"), "--socket", str(self.socket), *arguments]
