"""What systemd is told of the daemon, each time that it changes."""

import socket

from msgspec import Struct

from serve_daemon.supervisor.manager import Manager
from serve_daemon.supervisor.notify import Notifier
from serve_daemon.supervisor.reload import Reloader
from serve_daemon.supervisor.sockets import STORE_NAME, ListeningSockets
from serve_daemon.supervisor.status import summary


class Situation(Struct, frozen=True):
    status: str
    is_reloading: bool
    sockets: list[socket.socket]  # those that should outlive a restart


class Announcer:
    """Compares what systemd was told with how things are."""

    def __init__(
        self, notifier: Notifier, manager: Manager, reloader: Reloader, sockets: ListeningSockets
    ) -> None:
        self._notifier = notifier
        self._manager = manager
        self._reloader = reloader
        self._sockets = sockets
        self._told: Situation | None = None

    async def next_change(self) -> None:
        """Wait until there is something to tell."""
        await self._manager.changes.wait_for(lambda: self._situation() != self._told)

    def tell(self) -> None:
        before, now = self._told, self._situation()
        self._told = now
        if before is None or now.is_reloading != before.is_reloading:
            tell = self._notifier.reloading if now.is_reloading else self._notifier.ready
        else:
            tell = self._notifier.status
        tell(now.status)
        if before is None or now.sockets != before.sockets:
            self._notifier.forget(STORE_NAME)
            self._notifier.store(STORE_NAME, now.sockets)

    def _situation(self) -> Situation:
        return Situation(summary(self._manager), self._reloader.is_busy, self._sockets.own)
