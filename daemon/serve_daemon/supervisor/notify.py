"""systemd's notification protocol: sd_notify(3), the watchdog, and the file descriptor store."""

import os
import socket
import time
from array import array
from collections.abc import Mapping, Sequence


class Notifier:
    """Tells the service manager how the daemon fares; does nothing where there is none.

    See sd_notify(3). Messages are datagrams to $NOTIFY_SOCKET; a socket that is full or gone loses
    them without an error, as sd_notify() does: the daemon's work does not depend on it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        self.watchdog_seconds = _watchdog_seconds(environment)

    @property
    def is_supervised(self) -> bool:
        return bool(self._address)

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def reloading(self, status: str) -> None:
        now = time.monotonic_ns() // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        self._send(f"STOPPING=1\nSTATUS={status}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for at least `seconds` more before a start, reload or stop counts as failed."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def store(self, name: str, sockets: Sequence[socket.socket]) -> None:
        """Keep the sockets over a restart of the service; they come back under `name`."""
        descriptors = [each.fileno() for each in sockets]
        self._send(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", descriptors)

    def forget(self, name: str) -> None:
        """Take all sockets of that name out of the store."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _send(self, message: str, descriptors: Sequence[int] = ()) -> None:
        if not self._address:
            return
        # Not socket.send_fds(): before Python 3.13 it drops the address.
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
        passed = [rights] if descriptors else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            try:
                sending.sendmsg([message.encode()], passed, 0, self._address)
            except OSError:
                return


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    """How often the watchdog wants to hear of us, if it does: see sd_watchdog_enabled(3)."""
    pid = environment.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() and int(microseconds) else None
