"""A real systemd as PID 1 of namespaces of its own, with our units, to be driven from outside."""

import contextlib
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SYSTEMD = Path("/lib/systemd/systemd")
CHECKOUT = Path(__file__).resolve().parents[2]
# What the service runs, wherever it lies: the checkout, its environment, its interpreter.
PROGRAMS = (str(CHECKOUT), sys.prefix, sys.base_prefix)
BOOT = Path(__file__).with_name("boot.sh")
SYSUSERS = CHECKOUT / "packaging/sysusers.d/serve-daemon.conf"
COMMANDS = Path(sys.executable).parent
BOOT_SECONDS = 60
LIFE_SECONDS = 3600
COMMAND_SECONDS = 300
NAMESPACES = (
    *("--fork", "--pid", "--kill-child", "--mount-proc"),
    *("--mount", "--uts", "--ipc"),
)
# Only what becomes systemd is in the group: with anything else there it could divide it no further.
ENTER = 'echo 0 > "$0/cgroup.procs" && exec unshare --cgroup "$@"'


_numbers = itertools.count(1)  # one process may have several machines


class NoMachine(Exception):  # noqa: N818 - it names what can't be had
    """Why no systemd can be booted here."""


@dataclass(frozen=True)
class Machine:
    """A booted systemd."""

    pid: int
    commands: Path = COMMANDS  # where the daemon's lie in it

    def run(
        self, *command: str, check: bool = True, seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root."""
        inside = ["nsenter", f"--target={self.pid}", "--all", *command]
        done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=seconds)
        if check and done.returncode:
            raise AssertionError(f"{command} exited with {done.returncode}:\n{done.stderr}")
        return done

    def path(self, inside: str) -> Path:
        """Where a path of the machine is seen from outside."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def show(self, unit: str, *properties: str) -> list[str]:
        """Values of a unit's properties."""
        asked = [f"--property={name}" for name in properties]
        lines = self.run("systemctl", "show", unit, *asked).stdout.splitlines()
        values = dict(line.split("=", 1) for line in lines)
        return [values[name] for name in properties]

    def journal(self, *arguments: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--no-pager", "--output=cat", *arguments).stdout


def missing() -> str:
    """What this host lacks for a systemd of its own; "" if nothing."""
    if os.geteuid() != 0:
        return "booting a systemd takes root"
    if not SYSTEMD.exists():
        return f"there is no {SYSTEMD}"
    tools = [tool for tool in ("unshare", "nsenter", "systemctl") if shutil.which(tool) is None]
    if tools:
        return f"not installed: {', '.join(tools)}"
    return "" if _cgroup2() else "no cgroup2 is mounted"


@contextlib.contextmanager
def booted(units: Path, *, overlaid: Sequence[str] = ()) -> Iterator[Machine]:
    """A machine with these units, ended and cleaned up afterwards.

    With `overlaid`, directories of the host that it may write to, none of which the host sees, it
    has no user for the service: a package is to be installed into it.

    Raises `NoMachine` if the kernel, or whoever runs this, does not allow it.
    """
    with _control_group() as group, _notify_socket() as (listening, address):
        entering = ["/bin/sh", "-c", ENTER, str(group), str(BOOT)]
        process = subprocess.Popen(
            ["timeout", str(LIFE_SECONDS), "unshare", *NAMESPACES, *entering],
            env=_environment(units, overlaid) | {"NOTIFY_SOCKET": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            pid = _wait_until_booted(listening, process)
            listening.close()  # else systemd would wait for somebody to read what it does later
            yield Machine(pid)
        finally:
            _kill(group)
            process.communicate()


def _environment(units: Path, overlaid: Sequence[str]) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SYSTEMD": str(SYSTEMD),
        "UNITS": str(units),
        "SYSUSERS": "" if overlaid else str(SYSUSERS),
        "KEEP": ":".join(PROGRAMS),
        "OVERLAID": ":".join(overlaid),
    }


def _cgroup2() -> Path | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, filesystem = line.partition(" - ")
        if filesystem.split()[0] == "cgroup2":
            return Path(fields.split()[4])
    return None


@contextlib.contextmanager
def _control_group() -> Iterator[Path]:
    mounted = _cgroup2()
    assert mounted is not None
    group = mounted / f"serve-daemon-test-{os.getpid()}-{next(_numbers)}"
    try:
        group.mkdir()
    except OSError as error:
        raise NoMachine(f"no control group can be made: {error}") from error
    try:
        yield group
    finally:
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()


def _kill(group: Path) -> None:
    """Kill all that runs in a control group, and wait until it is empty."""
    (group / "cgroup.kill").write_text("1")
    with (group / "cgroup.events").open() as events:
        poll = select.poll()
        poll.register(events, select.POLLPRI)
        while "populated 1" in events.read():
            poll.poll()
            events.seek(0)


@contextlib.contextmanager
def _notify_socket() -> Iterator[tuple[socket.socket, str]]:
    """Where systemd says that it has booted. The address is abstract: /run is not shared."""
    name = f"serve-daemon-test-{os.getpid()}-{next(_numbers)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        listening.bind(f"\0{name}")
        yield listening, f"@{name}"


def _wait_until_booted(listening: socket.socket, process: subprocess.Popen[str]) -> int:
    """The process that says that it is ready, by its number out here."""
    size = struct.calcsize("3i")
    ended = os.pidfd_open(process.pid)
    waited = [listening.fileno(), ended]
    try:
        while listening.fileno() in select.select(waited, [], [], BOOT_SECONDS)[0]:
            message, control, _, _ = listening.recvmsg(4096, socket.CMSG_SPACE(size))
            if b"READY=1" in message:
                return int(struct.unpack("3i", control[0][2][:size])[0])
    finally:
        os.close(ended)
    if process.poll() is None:
        raise NoMachine(f"systemd has not booted in {BOOT_SECONDS} s")
    assert process.stdout is not None
    raise NoMachine(f"systemd can't be booted here: {process.stdout.read().strip()}")
