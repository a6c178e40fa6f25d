"""`systemctl restart` under a real systemd: streams end, sockets stay, and who comes waits."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.script import Fault
from system.machine import NoMachine, booted, missing
from system.service import UNIT, Service, free_port
from system.units import write_units

READY_SECONDS = 300.0  # the first start may have to convert the weights
RESTART_SECONDS = 300.0
# Where everything is stopped for a while, by a debugger or a suspended machine, nothing has hung.
NO_WATCHDOG = "WatchdogSec=0\n"
LISTEN = "0A"  # as /proc/net/tcp writes TCP_LISTEN
CACHE = "/var/cache/serve-daemon"
# Longer than any answer takes, whoever else uses the machine.
SERVER = "drain_timeout = 240.0\n"


@contextmanager
def served(model: str, cache: Path) -> Iterator[Service]:
    """The service with a real engine, ready. Raises `NoMachine` where it can't be had."""
    if reason := missing():
        raise NoMachine(reason)
    port = free_port()
    with tempfile.TemporaryDirectory() as units:
        write_units(Path(units), port, NO_WATCHDOG)
        with booted(Path(units)) as machine:
            if cache.is_dir():
                shutil.copytree(cache, machine.path(CACHE))
            service = Service(machine, port)
            service.write(model, python=Path(sys.executable), server=SERVER)
            service.systemctl("start")
            service.until(service.is_ready, READY_SECONDS)
            yield service


async def restart(service: Service) -> None:
    """Returns once the new daemon's model is ready."""
    await asyncio.to_thread(_restart, service)  # a client that does not read meanwhile is cut


def _restart(service: Service) -> None:
    main, sockets = service.main_pid(), listening(service)
    service.restart(RESTART_SECONDS)
    assert service.main_pid() != main
    assert listening(service) == sockets, "the socket was not kept"
    service.until(service.is_ready, READY_SECONDS)


def listening(service: Service) -> list[str]:
    """The inodes of the API's listening sockets, of which the store has to hold each one."""
    fields = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    at = f":{service.port:04X}"
    found = [each[9] for each in fields if each[1].endswith(at) and each[3] == LISTEN]
    stored = service.machine.show(UNIT, "NFileDescriptorStore")
    assert stored == [str(len(found))], f"{stored} descriptors are stored, of {found}"
    return found


RESTARTS: dict[str, Fault[Service]] = {
    fault.name: fault for fault in (Fault("systemctl restart", restart),)
}
