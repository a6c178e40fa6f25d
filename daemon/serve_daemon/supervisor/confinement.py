"""Each child in a control group of its own, held to what the file says, and killed in its turn."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.control_groups import (
    Rank,
    Resources,
    group_name,
    oom_score,
    resources,
    without_effect,
)
from serve_daemon.supervisor.delegation import Delegation
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.models import ModelUnit

PROCESSES = Path("/proc")

logger = structlog.get_logger()


class Confinement:
    """Of gateways, and of the engines of `models`."""

    def __init__(self, delegation: Delegation, models: Mapping[str, ModelUnit]) -> None:
        self._delegation = delegation
        self._models = models
        self._told: dict[str, Resources] = {}  # what there was a warning about, by model

    def confine(self, instance: Instance, model: str = "") -> None:
        """Of a process that has just been started, and has not been told yet what to do."""
        raise_oom_score(instance.pid, Rank.ENGINE if model else Rank.GATEWAY)
        wanted = self._wanted(model)
        with self._warning(model):
            group = self._delegation.make(group_name(instance.identity, model))
            if group is not None:
                group.limit(wanted)
                group.put(instance.pid)
                instance.group = group

    def memory_max(self, settings: Model) -> int:
        """The bytes that the kernel holds each engine of such a model to; 0: to none."""
        wanted = resources(settings)
        missing = without_effect(wanted, self._delegation.controllers)
        return 0 if "memory_max" in missing else wanted.memory_max

    def share(self) -> None:
        """Hold what runs to what the file says by now."""
        for name, model in self._models.items():
            wanted = resources(model.settings)
            missing = without_effect(wanted, self._delegation.controllers)
            self._tell(name, wanted, missing)
            for group in [each.group for each in model.unit.instances()]:
                if group is not None:
                    with self._warning(name):
                        group.limit(wanted)
        self._told = {name: each for name, each in self._told.items() if name in self._models}
        self._delegation.sweep()

    def _wanted(self, model: str) -> Resources:
        return resources(self._models[model].settings) if model in self._models else Resources()

    def _tell(self, name: str, wanted: Resources, missing: list[str]) -> None:
        if missing and self._told.get(name) != wanted:
            reason = self._delegation.why_not
            logger.warning("limits without effect", keys=missing, reason=reason, model=name)
        self._told[name] = wanted

    @contextlib.contextmanager
    def _warning(self, model: str) -> Iterator[None]:
        """What the kernel refuses is no reason to run nothing."""
        try:
            yield
        except ProcessLookupError:
            pass  # it has ended meanwhile, and will be told of
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
            logger.warning("not in a control group of its own", reason=reason, model=model)


def raise_oom_score(pid: int, rank: Rank) -> None:
    """Have the kernel kill a child before those that are worth more."""
    own = int((PROCESSES / "self/oom_score_adj").read_text())
    with contextlib.suppress(OSError):  # it has ended meanwhile
        (PROCESSES / str(pid) / "oom_score_adj").write_text(str(oom_score(own, rank)))
