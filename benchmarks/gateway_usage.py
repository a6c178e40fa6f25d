"""What a daemon's gateway takes of the machine, and what others take meanwhile."""

import os
from typing import NamedTuple

import psutil

from processes import ServerError


class Seen(NamedTuple):
    """Processor time so far, and memory now."""

    gateway_seconds: float
    busy_seconds: float  # of all cores, whoever uses them
    own_seconds: float  # of this process and all below it, which the gateway is
    rss_bytes: int  # of the gateway


NOTHING_SEEN = Seen(0.0, 0.0, 0.0, 0)


def look_at(gateway: psutil.Process) -> Seen:
    times, machine = gateway.cpu_times(), psutil.cpu_times()
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    own = [each.cpu_times() for each in family]
    busy = sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
    return Seen(
        times.user + times.system,
        busy,
        sum(each.user + each.system for each in own),
        gateway.memory_info().rss,
    )


def others_seconds(before: Seen, after: Seen) -> float:
    """The seconds that others used, of each core."""
    busy = after.busy_seconds - before.busy_seconds
    own = after.own_seconds - before.own_seconds
    return max(0.0, busy - own) / (os.cpu_count() or 1)


def gateway_of(pid: int) -> psutil.Process:
    """The gateway of the daemon `pid`, which is ready. Raises `ServerError` where it has none."""
    return child_of(pid, "serve_daemon.gateway")


def child_of(pid: int, word: str) -> psutil.Process:
    """The process below `pid` with `word` in its command. Raises `ServerError` without one."""
    for process in psutil.Process(pid).children(recursive=True):
        if word in process.cmdline():
            return process
    raise ServerError(f"no process below {pid} has {word} in its command")
