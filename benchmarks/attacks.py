"""What attacks on the gateway cost it, and how others are answered meanwhile.

    make bench-attacks

A whole daemon with the default settings and the fake engine of the tests; attackers and others are
in this process, but for slowhttptest (Debian's package), which is left out where it is missing.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

import sections
from attackers import CONNECTIONS, WRONG_KEYS, Attack, attacks
from bench import machine
from figures import percentile
from gateway_usage import gateway_of, look_at
from processes import free_port, running, seconds_to_first_answer
from serve_daemon.config.api_keys import hash_of

TITLE = "Attacks"
MODEL = "fake"
FAKE_PYTHON = Path(__file__).parent.parent / "tests" / "fakes" / "python"
DESCRIPTORS = 2 * CONNECTIONS
KEY = "sk-the-others"
OTHER_HOST = "127.0.0.2"  # else attackers and others would be one client
LOOK_EVERY_SECONDS = 0.2
ASK_TIMEOUT_SECONDS = 60.0
GIVE_UP_SECONDS = 60.0
SERVE = """
[server]
listen = ["127.0.0.1:{port}"]
[engine]
python = "{python}"
[models.{model}]
source = "fake:text=count,eos=0,token_delay=0.001"
max_context = 1000000
"""


@dataclass
class Others:
    """A thread that asks for five tokens again and again, each time on a new connection."""

    port: int
    seconds: list[float] = field(default_factory=list)
    failures: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def ask_until_over(self) -> None:
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                answered = self._ask()
            except OSError:
                answered = False
            self.seconds.append(time.monotonic() - begun)
            self.failures += not answered

    def _ask(self) -> bool:
        return ask(self.port, {"Authorization": f"Bearer {KEY}"}) == http.client.OK


def ask(port: int, headers: dict[str, str]) -> int:
    """The status of a request for five tokens. Raises `OSError`."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, ASK_TIMEOUT_SECONDS, source_address=(OTHER_HOST, 0)
    )
    body = {"model": MODEL, "input": "x", "max_output_tokens": 5}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/responses", json.dumps(body), headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status


async def measure(name: str, attack: Attack, port: int, seconds: float) -> str:
    """The row of one attack."""
    gateway = gateway_of(psutil.Process().children()[0].pid)
    others, before, begun = Others(port), look_at(gateway), time.monotonic()
    peak_bytes = before.rss_bytes
    asking = asyncio.create_task(asyncio.to_thread(others.ask_until_over))
    async with attack(port):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            peak_bytes = max(peak_bytes, look_at(gateway).rss_bytes)
        after, ended = look_at(gateway), time.monotonic()
        others.over.set()
        await asking
    cells = [
        name,
        f"{len(others.seconds)}",
        f"{others.failures}",
        f"{1000 * percentile(others.seconds, 0.5):.0f}",
        f"{1000 * max(others.seconds):.0f}",
        f"{(after.gateway_seconds - before.gateway_seconds) / (ended - begun):.2f}",
        f"{peak_bytes / 1e6:.0f} ({before.rss_bytes / 1e6:.0f})",
    ]
    return f"| {' | '.join(cells)} |"


TABLE_HEAD = (
    "| attack | others asked | not answered | their p50 (ms) | at most (ms) | gateway, CPU s/s"
    " | gateway, RSS MB at most (before) |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@contextmanager
def daemon(directory: Path) -> Iterator[int]:
    port, file = free_port(), directory / "serve.toml"
    file.write_text(SERVE.format(port=port, python=FAKE_PYTHON, model=MODEL))
    names = ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME")
    environment = {f"XDG_{name}": str(directory / name.lower()) for name in names}
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]
    with running(command, environment, directory / "log") as process:
        seconds_to_first_answer(process, port, MODEL, GIVE_UP_SECONDS)
        yield port


def ask_for_keys(directory: Path, port: int) -> None:
    """Have the running daemon let in who has the key of the others, and nobody else."""
    with (directory / "serve.toml").open("a") as file:
        file.write(f'[keys.others]\nhash = "{hash_of(KEY)}"\n')
    while ask(port, {}) != http.client.UNAUTHORIZED:
        time.sleep(LOOK_EVERY_SECONDS)


def text(seconds: float, rows: list[str]) -> str:
    introduction = [
        "Written by `make bench-attacks`.",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}, {machine()}; at a nice value of {os.nice(0)}",
        f"- each attack for {seconds:g} s on a gateway of its own, with the default settings",
        "- others: one client after the other asks for 5 tokens, on a new connection each time",
        "- attackers and others share the cores with the gateway, and one process with each other",
        "",
    ]
    return "\n".join([*introduction, TABLE_HEAD, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--write", action="store_true", help="to RESULTS.md")
    chosen = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    print(TABLE_HEAD, flush=True)
    rows = []
    for name, attack in attacks(MODEL).items():
        with tempfile.TemporaryDirectory() as directory, daemon(Path(directory)) as port:
            if name == WRONG_KEYS:
                ask_for_keys(Path(directory), port)
            rows.append(asyncio.run(measure(name, attack, port, chosen.seconds)))
        print(rows[-1], flush=True)
    if chosen.write:
        sections.store(TITLE, text(chosen.seconds, rows))


if __name__ == "__main__":
    main()
