"""What is done to a daemon that serves: each fault ends when the daemon has taken it in."""

import os
import signal
from dataclasses import dataclass

from chaos.script import Fault
from integration.daemon import RunningDaemon
from serve_daemon.control.client import ControlError

MODEL = "m"


@dataclass
class Edited:
    """The daemon and its file, whose values count up so that each edit is news."""

    daemon: RunningDaemon
    keys: str  # of the model, as they stand in the file
    is_fake: bool
    max_requests: int = 16
    queue_timeout: float = 300.0
    max_connections: int = 4096

    def write(self, more: str = "") -> None:
        model = (
            f"[models.{MODEL}]\n{self.keys}\nmax_requests = {self.max_requests}\n"
            f"queue_timeout = {self.queue_timeout}\n{more}"
        )
        server = f"max_connections = {self.max_connections}"
        self.daemon.write(model, server=server, fake=self.is_fake)

    async def reload(self) -> None:
        await self.daemon.ask("Reload", wait=True)


async def replace_engine(edited: Edited) -> None:
    edited.max_requests = 33 - edited.max_requests
    edited.write()
    await edited.reload()


async def edit_live(edited: Edited) -> None:
    edited.queue_timeout += 1.0
    pid = edited.daemon.model(MODEL)["pid"]
    edited.write()
    await edited.reload()
    assert edited.daemon.model(MODEL)["pid"] == pid


async def break_file(edited: Edited) -> None:
    edited.write("no_such_key = 1\n")
    try:
        await edited.reload()
    except ControlError:
        edited.write()
        await edited.reload()
        return
    raise AssertionError("a file with an unknown key was not refused")


async def kill_engine(edited: Edited) -> None:
    await _signal_engine(edited, signal.SIGKILL)


async def stop_engine(edited: Edited) -> None:
    await _signal_engine(edited, signal.SIGSTOP)


async def _signal_engine(edited: Edited, number: signal.Signals) -> None:
    before = await edited.daemon.until_model(MODEL, state="ready")
    os.kill(before["pid"], number)
    await edited.daemon.until(
        lambda status: (
            status["models"][0]["restarts"] > before["restarts"]
            and status["models"][0]["state"] == "ready"
        )
    )


async def replace_gateway(edited: Edited) -> None:
    edited.max_connections += 1
    pid = edited.daemon.status()["gateway"]["pid"]
    edited.write()
    await edited.reload()
    assert edited.daemon.status()["gateway"]["pid"] != pid


async def kill_gateway(edited: Edited) -> None:
    gateway = edited.daemon.status()["gateway"]
    os.kill(gateway["pid"], signal.SIGKILL)
    await edited.daemon.until(
        lambda status: (
            status["gateway"]["restarts"] > gateway["restarts"]
            and status["gateway"]["state"] == "ready"
        )
    )


FAULTS: dict[str, Fault[Edited]] = {
    fault.name: fault
    for fault in (
        Fault("engine replaced by an edit", replace_engine),
        Fault("live edit", edit_live),
        Fault("bad file", break_file),
        Fault("kill -9 of the engine", kill_engine),
        Fault("SIGSTOP of the engine", stop_engine),
        Fault("gateway replaced", replace_gateway),
        Fault("kill -9 of the gateway", kill_gateway, cuts_connections=True),
    )
}
