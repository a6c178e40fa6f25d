"""How many threads each engine computes with: what the file says, else a share of the cores."""

import os
from collections.abc import Callable, Mapping

from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import UseThreads

_WITHOUT_PROCESS = frozenset({State.STOPPED, State.ASLEEP, State.BACKOFF, State.FAILED})

# Of so many cores one is a gateway's: threads that compute wait for each other, and for the one of
# them that shares its core. Of fewer cores each is worth more than that.
CORES_PER_GATEWAY = 8


def share(cores: int, gateways: int, fixed: int, engines: int) -> int:
    """The threads of each of so many `engines`, where others have `fixed` threads by the file."""
    left = cores - min(gateways, cores // CORES_PER_GATEWAY) - fixed
    return max(left // max(engines, 1), 1)


class Cores:
    """The cores that this daemon may use, shared equally by the units that run."""

    def __init__(self, models: Mapping[str, ModelUnit], gateways: Callable[[], int]) -> None:
        self._models = models
        self._gateways = gateways

    def threads_for(self, name: str) -> int:
        """Those of one engine of the model."""
        return self._models[name].settings.threads or self._share()

    def _share(self) -> int:
        running = [
            model.settings.threads
            for model in self._models.values()
            for unit in model.unit.units
            if unit.state not in _WITHOUT_PROCESS
        ]
        cores = len(os.sched_getaffinity(0))
        return share(cores, self._gateways(), sum(running), running.count(0))

    def share(self) -> None:
        """Tell the engines whose number of threads has changed."""
        for name, model in self._models.items():
            threads = self.threads_for(name)
            if threads != model.threads:
                model.threads = threads
                for each in model.unit.instances():
                    each.process.send(UseThreads(threads))
