"""What the gateway adds to each token of thousands of streams, and what that costs it.

    make bench-many-streams

A whole daemon with the fake engine of the tests, which notes when it sends each token; the clients
of one process, on plain sockets, note when each arrives, by the same clock.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil
import uvloop

import sections
from bench import machine
from counting_clients import Client, request
from figures import percentile
from gateway_usage import NOTHING_SEEN, Seen, gateway_of, look_at, others_seconds
from processes import ServerError, free_port, running, seconds_to_first_answer

TITLE = "Many streams"
MODEL = "fake"
FAKE_PYTHON = Path(__file__).parent.parent / "tests" / "fakes" / "python"
SPARE_DESCRIPTORS = 512
SETTLE_SECONDS = 2.0
SPARE_SECONDS = 1.0  # between what counts and the end of the first stream
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


@dataclass
class Run:
    """What came of it, by the clock that all processes of a host share."""

    begin: float = 0.0  # of the time that counts
    end: float = 0.0
    before: Seen = NOTHING_SEEN
    after: Seen = NOTHING_SEEN
    idle_rss_bytes: int = 0
    arrivals: dict[str, list[float]] = field(default_factory=dict)


async def play(load: Load, port: int, gateway: psutil.Process, chosen: argparse.Namespace) -> Run:
    """Open all streams one after the other; what counts begins when the last is open."""
    loop = asyncio.get_running_loop()
    run = Run(idle_rss_bytes=gateway.memory_info().rss)
    num_tokens = int((chosen.ramp + SETTLE_SECONDS + chosen.seconds) * load.rate)
    begun = time.monotonic()
    clients, ends = [], []
    for number in range(load.streams):
        ends.append(loop.create_future())
        client = Client(request(MODEL, number, num_tokens), ends[-1])
        clients.append(client)
        await asyncio.sleep(begun + number * chosen.ramp / load.streams - time.monotonic())
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(SETTLE_SECONDS)
    run.begin, run.before = time.monotonic(), look_at(gateway)
    first_end = begun + chosen.ramp + SETTLE_SECONDS + chosen.seconds
    await asyncio.sleep(first_end - SPARE_SECONDS - run.begin)
    run.end, run.after = time.monotonic(), look_at(gateway)
    await asyncio.gather(*ends)
    run.arrivals = {f"stream-{number}": each.arrivals for number, each in enumerate(clients)}
    return run


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


def row(name: str, run: Run, delays: Sequence[float]) -> str:
    seconds = run.end - run.begin
    cpu_seconds = run.after.gateway_seconds - run.before.gateway_seconds
    cells = [
        name,
        f"{len(delays) / seconds:.0f}",
        f"{1000 * percentile(delays, 0.5):.1f}",
        f"{1000 * percentile(delays, 0.99):.1f}",
        f"{1000 * max(delays):.0f}",
        f"{cpu_seconds / seconds:.2f}",
        f"{1e6 * cpu_seconds / len(delays):.0f}",
        f"{run.after.rss_bytes / 1e6:.0f} ({run.idle_rss_bytes / 1e6:.0f})",
        f"{100 * others_seconds(run.before, run.after) / seconds:.0f}",
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
        run = uvloop.run(play(load, port, gateway, chosen))
        sent = stamps_in(stamps)
    return row(load.name, run, added_seconds(run, sent, run.arrivals))


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
- clients, engine and gateway share the cores, with whatever else runs there at a nice value of 0"""


def text(chosen: argparse.Namespace, rows: Sequence[str]) -> str:
    kind = f"{chosen.streams} streams of chat completions at {chosen.rate:g} tokens/s each"
    introduction = [
        "Written by `make bench-many-streams`.",
        "",
        f"- {datetime.now(UTC):%Y-%m-%d}, {machine()}; at a nice value of {os.nice(0)}",
        f"- {kind}, from the tests' fake engine through one gateway, for {chosen.seconds:g} s",
        EXPLANATION,
        "",
    ]
    return "\n".join([*introduction, HEAD, *rows])


if __name__ == "__main__":
    main()
