"""How much memory an engine will take, told before it starts. No torch: headers are read."""

from msgspec import Struct

from serve_daemon.config.probe import Probe
from serve_daemon.config.tuning import Model


class Estimate(Struct, frozen=True):
    """Bytes that one engine process takes on the device it runs on."""

    program: int  # interpreter, torch and Transformers, as the probe measured them
    weights: int
    kv_cache: int  # when every sequence is as long as it may get
    workspace: int  # what a step and the loading take for a while

    @property
    def total(self) -> int:
        return self.program + self.weights + self.kv_cache + self.workspace


def estimate(model: Model, machine: Probe) -> Estimate | None:
    """What one engine of `model` takes, all of whose keys are filled in.

    None where nothing is known yet, as of a checkpoint that isn't downloaded.
    """
    del model, machine
    return None
