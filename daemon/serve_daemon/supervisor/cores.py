"""How many threads each engine computes with: what the file says, else a share of the cores."""

import os
from collections.abc import Mapping

from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.states import State
from serve_daemon.wire.messages import UseThreads

_WITHOUT_PROCESS = frozenset({State.STOPPED, State.ASLEEP, State.BACKOFF, State.FAILED})


class Cores:
    """The cores that this daemon may use, shared equally by the units that run."""

    def __init__(self, models: Mapping[str, ModelUnit]) -> None:
        self._models = models

    def threads_for(self, name: str) -> int:
        """Those of one engine of the model."""
        units = [unit for model in self._models.values() for unit in model.unit.units]
        num_running = sum(each.state not in _WITHOUT_PROCESS for each in units)
        share = len(os.sched_getaffinity(0)) // max(num_running, 1)
        return self._models[name].settings.threads or max(share, 1)

    def share(self) -> None:
        """Tell the engines whose number of threads has changed."""
        for name, model in self._models.items():
            threads = self.threads_for(name)
            if threads != model.threads:
                model.threads = threads
                for each in model.unit.instances():
                    each.process.send(UseThreads(threads))
