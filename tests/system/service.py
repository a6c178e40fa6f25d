"""serve-daemon.service in a machine: its file, its state, its API."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from system.machine import CHECKOUT, Machine

UNIT = "serve-daemon.service"
SOCKET_UNIT = "serve-daemon.socket"
FAKE_PYTHON = CHECKOUT / "tests/fakes/python"
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.05

Completed = subprocess.CompletedProcess[str]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    def __init__(self, machine: Machine, port: int) -> None:
        self.machine = machine
        self.url = f"http://127.0.0.1:{port}"
        self.port = port

    def write(self, models: str, *, python: Path = FAKE_PYTHON, server: str = "") -> None:
        """Write /etc/serve.toml, by default with fake engines."""
        listen = f'listen = ["127.0.0.1:{self.port}"]'
        head = f"[server]\n{listen}\n{server}[control]\nwatch = false\n"
        engine = f'[engine]\npython = "{python}"\n'
        self.machine.path("/etc/serve.toml").write_text(f"{head}{engine}{models}")

    def systemctl(self, verb: str, unit: str = UNIT, *, check: bool = True) -> Completed:
        return self.machine.run("systemctl", verb, unit, check=check)

    def restart(self, seconds: float) -> None:
        """Restart it, which takes as long as what is open."""
        self.machine.run("systemctl", "restart", UNIT, seconds=seconds)

    def servectl(self, *arguments: str, user: str = "root", check: bool = True) -> Completed:
        """Run servectl, by default as root."""
        command = str(self.machine.commands / "servectl")
        becoming = () if user == "root" else ("setpriv", f"--reuid={user}", "--init-groups")
        return self.machine.run(*becoming, command, *arguments, check=check)

    def start(self, models: str) -> None:
        """Write the file, start, and wait until every model is ready."""
        self.write(models)
        self.systemctl("start")
        self.until(self.is_ready)

    def end(self) -> None:
        self.systemctl("stop", SOCKET_UNIT)
        self.systemctl("stop")
        self.systemctl("reset-failed", check=False)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.servectl("status", "--json").stdout))

    def models(self) -> dict[str, dict[str, Any]]:
        return {model["name"]: model for model in self.status()["models"]}

    def is_ready(self) -> bool:
        return all(model["state"] == "ready" for model in self.models().values())

    def main_pid(self) -> int:
        return int(self.machine.show(UNIT, "MainPID")[0])

    def until(self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait for what no event tells us from here."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"in vain:\n{self.machine.journal('-n', '40')}")
            time.sleep(POLL_SECONDS)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def ask(self, text: str, *, request_id: str = "", **fields: Any) -> Any:
        """The response of a chat completion of the model `m`, not yet read."""
        body = {"model": "m", "messages": [{"role": "user", "content": text}]} | fields
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if request_id:
            request.add_header("X-Request-Id", request_id)
        return urllib.request.urlopen(request, timeout=WAIT_SECONDS)

    def answer(self, text: str) -> str:
        with self.ask(text) as response:
            return str(json.load(response)["choices"][0]["message"]["content"])
