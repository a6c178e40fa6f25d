"""What engines would take of this machine, and what it has: by the probe, files and drivers."""

from collections.abc import Callable

from serve_daemon.config.estimate import Estimate, estimate
from serve_daemon.config.free_memory import free_bytes
from serve_daemon.config.probe import Probe, cached
from serve_daemon.config.tuning import Model


class ThisMachine:
    """Knows nothing before an engine has probed the machine, which the first one does."""

    def __init__(self, cache_directory: str, python: Callable[[], str]) -> None:
        self._cache_directory = cache_directory
        self._python = python
        self._probes: dict[str, Probe] = {}  # by interpreter

    def estimate(self, model: Model) -> Estimate | None:
        """What one engine of `model` takes; None where that isn't known yet."""
        probe = self._probe()
        return None if probe is None else estimate(model, probe)

    def device(self, model: Model) -> str | None:
        """Where an engine of `model` runs, as "cpu" or "cuda:N"; None where that isn't known."""
        probe = self._probe()
        return None if probe is None else device_of(model.devices[0], probe)

    def free(self, device: str) -> int | None:
        """Bytes; None where nobody can tell."""
        return free_bytes(device)

    def _probe(self) -> Probe | None:
        python = self._python()
        if python not in self._probes and (probe := cached(self._cache_directory, python)):
            self._probes[python] = probe
        return self._probes.get(python)


def device_of(asked: str, probe: Probe) -> str:
    """The device that an engine chooses which is asked for "auto", "cpu", "cuda" or "cuda:N"."""
    if asked == "auto":
        accelerators = [each.name for each in probe.devices if each.name != "cpu"]
        return accelerators[0] if accelerators else "cpu"
    return "cuda:0" if asked == "cuda" else asked
