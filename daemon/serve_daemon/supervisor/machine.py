"""What engines would take of this machine, and what it has: by the probe, files and drivers."""

import sys

from msgspec import Struct

from serve_daemon.config.estimate import Estimate, estimate
from serve_daemon.config.free_memory import free_bytes
from serve_daemon.config.probe import Probe, cached
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.advice import SHORTEST_CONTEXT
from serve_daemon.supervisor.programs import EngineLaunch
from serve_daemon.wire.messages import EngineSpec


class Need(Struct, frozen=True):
    """What one engine is expected to take of its device."""

    device: str  # as "cpu" or "cuda:N"
    estimate: Estimate
    model: Model  # the keys that decide it
    least: int  # bytes that it can do with, where it chooses the size of its cache by what is free


class ThisMachine:
    """Knows nothing before an engine has probed the machine, which the first one of a kind does."""

    def __init__(self, cache_directory: str) -> None:
        self._cache_directory = cache_directory

    def need(self, launch: EngineLaunch) -> Need | None:
        """Of one engine; None where nothing is known, as of weights that aren't downloaded."""
        model, probe = model_of(launch.spec), self._probe(launch)
        estimated = self.estimate(launch, model)
        if probe is None or estimated is None:
            return None
        least = estimated
        if not model.max_context and not model.kv_cache_memory:
            shortest = model.model_copy(update={"max_context": SHORTEST_CONTEXT})
            least = self.estimate(launch, shortest) or estimated
        device = device_of(launch.spec.device, probe)
        return Need(device, estimated, model, min(least.total, estimated.total))

    def estimate(self, launch: EngineLaunch, model: Model) -> Estimate | None:
        """Of one that is launched alike, but with the keys of `model`."""
        probe = self._probe(launch)
        python = "" if launch.python == sys.executable else launch.python
        return estimate(model, probe, python) if probe is not None else None

    def free(self, device: str) -> int | None:
        """Bytes; None where nobody can tell."""
        return free_bytes(device)

    def _probe(self, launch: EngineLaunch) -> Probe | None:
        return cached(self._cache_directory, launch.python)


def device_of(asked: str, probe: Probe) -> str:
    """The device that an engine chooses which is asked for "auto", "cpu", "cuda" or "cuda:N"."""
    if asked == "auto":
        accelerators = [each.name for each in probe.devices if each.name != "cpu"]
        return accelerators[0] if accelerators else "cpu"
    return "cuda:0" if asked == "cuda" else asked


def model_of(spec: EngineSpec) -> Model:
    """The keys that a spec was made of; those that no engine is told are at their defaults."""
    told = {name: getattr(spec, name) for name in spec.__struct_fields__}
    batching = told.pop("batching")
    told |= {name: getattr(batching, name) for name in batching.__struct_fields__}
    told = {name: value for name, value in told.items() if name in Model.model_fields}
    return Model.model_construct(**{name: each for name, each in told.items() if each is not None})
