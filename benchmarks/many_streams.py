"""What the gateway adds to each token of thousands of streams, and what that costs it.

    make bench-many-streams

A whole daemon with the fake engine of the tests, which notes when it sends each token; the clients
of one process, on plain sockets, note when each arrives, by the same clock.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, cast

import psutil
import uvloop

import sections
from bench import machine
from figures import percentile
from processes import ServerError, free_port, running, seconds_to_first_answer

TITLE = "Many streams"
MODEL = "fake"
FAKE_PYTHON = Path(__file__).parent.parent / "tests" / "fakes" / "python"
# The fake engine counts: each token is a character. An event may have several tokens.
TEXT = re.compile(rb'"content":"([0-9 ]*)"')
SPARE_DESCRIPTORS = 512
SETTLE_SECONDS = 2.0
TICK_SECONDS = 0.01  # of the engine, where each stream has its own times
GIVE_UP_SECONDS = 60.0
SERVE = """
[server]
listen = ["127.0.0.1:{port}"]
max_connections = {connections}
[engine]
python = "{python}"
[models.{model}]
source = "fake:text=count,eos=0,{knobs},stamps={stamps}"
max_requests = {streams}
max_context = 100000
"""


class Load(NamedTuple):
    """What is asked of the gateway."""

    name: str
    streams: int
    rate: float  # tokens a second of each stream
    is_lockstep: bool  # one step of the engine has a token of every stream

    @property
    def knobs(self) -> str:
        pace = 1 / self.rate
        return (
            f"token_delay={pace}" if self.is_lockstep else f"token_delay={TICK_SECONDS},pace={pace}"
        )


class Client(asyncio.Protocol):
    """One stream, whose tokens are noted as they arrive."""

    def __init__(self, request: bytes, ended: "asyncio.Future[None]") -> None:
        self.arrivals: list[float] = []
        self._request = request
        self._ended = ended
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._request)  # uvloop's is no asyncio one

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.arrivals and len(self._head) < 20:
            self._head += data[:20]
        self.arrivals += [now] * sum(map(len, TEXT.findall(data)))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ended.done():
            return
        if exc is not None or b" 200 " not in self._head:
            self._ended.set_exception(ServerError(f"a stream broke: {exc or self._head!r}"))
        else:
            self._ended.set_result(None)


@dataclass
class Usage:
    """Of the gateway, in the time in which all streams were open."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    idle_rss_bytes: int = 0
    others_share: float = 0.0


@dataclass
class Run:
    load: Load
    begin: float = 0.0  # of the time that counts
    end: float = 0.0
    usage: Usage = field(default_factory=Usage)
    arrivals: dict[str, list[float]] = field(default_factory=dict)


def request(number: int, num_tokens: int) -> bytes:
    question = {
        "model": MODEL,
        "stream": True,
        "max_tokens": num_tokens,
        "messages": [{"role": "user", "content": "count"}],
    }
    body = json.dumps(question).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"X-Request-Id: stream-{number}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def play(run: Run, port: int, gateway: psutil.Process, chosen: argparse.Namespace) -> None:
    """Open all streams one after the other; what counts begins when the last is open."""
    loop = asyncio.get_running_loop()
    num_tokens = int((chosen.ramp + SETTLE_SECONDS + chosen.seconds) * run.load.rate)
    run.usage.idle_rss_bytes = gateway.memory_info().rss
    begun = time.monotonic()
    clients, ends = [], []
    for number in range(run.load.streams):
        ends.append(loop.create_future())
        client = Client(request(number, num_tokens), ends[-1])
        clients.append(client)
        await asyncio.sleep(begun + number * chosen.ramp / run.load.streams - time.monotonic())
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(SETTLE_SECONDS)
    run.begin = time.monotonic()
    before = measured(gateway)
    await asyncio.sleep(begun + chosen.ramp + SETTLE_SECONDS + chosen.seconds - 1 - run.begin)
    run.end = time.monotonic()
    note_usage(run, before, measured(gateway), gateway)
    await asyncio.gather(*ends)
    run.arrivals = {f"stream-{number}": each.arrivals for number, each in enumerate(clients)}


class Seen(NamedTuple):
    gateway_seconds: float
    busy_seconds: float
    own_seconds: float


def measured(gateway: psutil.Process) -> Seen:
    times = gateway.cpu_times()
    machine = psutil.cpu_times()
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    own = sum(each.cpu_times().user + each.cpu_times().system for each in family)
    busy = sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
    return Seen(times.user + times.system, busy, own)


def note_usage(run: Run, before: Seen, after: Seen, gateway: psutil.Process) -> None:
    usage = run.usage
    usage.seconds = run.end - run.begin
    usage.cpu_seconds = after.gateway_seconds - before.gateway_seconds
    usage.rss_bytes = gateway.memory_info().rss
    others = (after.busy_seconds - before.busy_seconds) - (after.own_seconds - before.own_seconds)
    usage.others_share = max(0.0, others) / usage.seconds / (os.cpu_count() or 1)


def stamps_in(file: Path) -> dict[str, list[float]]:
    """When the engine sent each token, by request."""
    return dict(json.loads(line) for line in file.read_bytes().splitlines())


def added_seconds(
    run: Run, sent: Mapping[str, Sequence[float]], arrivals: Mapping[str, Sequence[float]]
) -> list[float]:
    """From the engine's sending to the client's receiving, of each token that counts.

    Raises `ServerError` where a stream has not all of its tokens.
    """
    delays = []
    for name, arrived in arrivals.items():
        if len(sent[name]) != len(arrived):
            raise ServerError(f"{name}: {len(sent[name])} tokens sent, {len(arrived)} received")
        pairs = zip(sent[name], arrived, strict=True)
        delays += [late - early for early, late in pairs if run.begin <= early < run.end]
    return delays


@contextmanager
def daemon(load: Load, directory: Path) -> Iterator[tuple[int, psutil.Process, Path]]:
    """Its port, its gateway, and the file of the engine's notes."""
    port, stamps, file = free_port(), directory / "stamps", directory / "serve.toml"
    connections = load.streams + SPARE_DESCRIPTORS
    file.write_text(
        SERVE.format(
            port=port,
            connections=connections,
            python=FAKE_PYTHON,
            model=MODEL,
            knobs=load.knobs,
            stamps=stamps,
            streams=load.streams,
        )
    )
    names = ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME")
    environment = {f"XDG_{name}": str(directory / name.lower()) for name in names}
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]
    with running(command, environment, directory / "log") as process:
        seconds_to_first_answer(process, port, MODEL, GIVE_UP_SECONDS)
        stamps.unlink(missing_ok=True)
        yield port, gateway_of(process.pid), stamps


def gateway_of(pid: int) -> psutil.Process:
    for process in psutil.Process(pid).children(recursive=True):
        if "serve_daemon.gateway" in process.cmdline():
            return process
    raise ServerError("the daemon has no gateway")


def row(run: Run, delays: Sequence[float]) -> str:
    usage, load = run.usage, run.load
    cells = [
        load.name,
        f"{len(delays) / usage.seconds:.0f}",
        f"{1000 * percentile(delays, 0.5):.1f}",
        f"{1000 * percentile(delays, 0.99):.1f}",
        f"{1000 * max(delays):.0f}",
        f"{usage.cpu_seconds / usage.seconds:.2f}",
        f"{1e6 * usage.cpu_seconds / len(delays):.0f}",
        f"{usage.rss_bytes / 1e6:.0f} ({usage.idle_rss_bytes / 1e6:.0f})",
        f"{100 * usage.others_share:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "|  | tokens/s | added, p50 (ms) | added, p99 (ms) | added, at most (ms)"
    " | gateway, CPU s/s | CPU µs a token | gateway, RSS MB (before) | others, % of the cores |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def measure(load: Load, chosen: argparse.Namespace) -> str:
    with tempfile.TemporaryDirectory() as directory, daemon(load, Path(directory)) as parts:
        port, gateway, stamps = parts
        run = Run(load)
        uvloop.run(play(run, port, gateway, chosen))
        sent = stamps_in(stamps)
    return row(run, added_seconds(run, sent, run.arrivals))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=5.0, help="tokens a second of each")
    parser.add_argument("--ramp", type=float, default=10.0, help="seconds to open them all")
    parser.add_argument("--seconds", type=float, default=20.0, help="that count")
    parser.add_argument("--kinds", nargs="+", default=["spread", "lockstep"])
    parser.add_argument("--write", action="store_true", help="to RESULTS.md")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    wanted = chosen.streams + SPARE_DESCRIPTORS
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    print(HEAD, flush=True)
    rows = []
    for kind in chosen.kinds:
        name = f"{chosen.streams} streams, {kind}"
        rows.append(measure(Load(name, chosen.streams, chosen.rate, kind == "lockstep"), chosen))
        print(rows[-1], flush=True)
    if chosen.write:
        sections.store(TITLE, text(chosen, rows))


EXPLANATION = """\
- added: from just before the engine sends a token to the client's receiving it; spread: each stream
  has its own times; lockstep: the engine sends a token of every stream in one step, as a real one
- clients, engine and gateway share the cores with whatever else runs there"""


def text(chosen: argparse.Namespace, rows: Sequence[str]) -> str:
    kind = f"{chosen.streams} streams of chat completions at {chosen.rate:g} tokens/s each"
    introduction = [
        "Written by `make bench-many-streams`.",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}, {machine()}",
        f"- {kind}, from the tests' fake engine through one gateway, for {chosen.seconds:g} s",
        EXPLANATION,
        "",
    ]
    return "\n".join([*introduction, HEAD, *rows])


if __name__ == "__main__":
    main()
