"""What each process gets of the machine: its threads, and what its control group is held to."""

from typing import Protocol

from serve_daemon.config.schema import Config
from serve_daemon.supervisor.confinement import Confinement
from serve_daemon.supervisor.cores import Cores
from serve_daemon.supervisor.delegation import Delegation
from serve_daemon.supervisor.models import ModelUnit


class Sharers(Protocol):
    """Those that share, as they are by now."""

    models: dict[str, ModelUnit]
    config: Config


class Shares:
    def __init__(self, among: Sharers, delegation: Delegation) -> None:
        self._cores = Cores(among.models, lambda: among.config.server.workers)
        self._confinement = Confinement(delegation, among.models)
        self.threads_for = self._cores.threads_for
        self.memory_max = self._confinement.memory_max
        self.confine = self._confinement.confine

    def share(self) -> None:
        """Have what runs follow what the file says by now, and how many share the cores."""
        self._cores.share()
        self._confinement.share()
