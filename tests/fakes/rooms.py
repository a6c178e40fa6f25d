"""Units on a machine that has as much memory as a test says, for specs that are told by letters."""

from typing import Any, cast

from fakes.units import FakeClock, World
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.room import Room
from serve_daemon.supervisor.unit import Unit

GIBIBYTE = 2**30


class FakeMachine:
    """An engine takes 1 GiB for each of its `max_requests`."""

    def __init__(self) -> None:
        self.unknown: set[str] = set()  # the sources that nothing is known of
        self.free_bytes: dict[str, int] = {}

    def estimate(self, model: Model) -> Estimate | None:
        if model.source in self.unknown:
            return None
        return Estimate(program=0, weights=0, kv_cache=model.max_requests * GIBIBYTE, workspace=0)

    def device(self, model: Model) -> str | None:
        return "cpu" if model.device == "auto" else model.devices[0]

    def free(self, device: str) -> int | None:
        return self.free_bytes.get(device)


class SmallMachine:
    """So many GiB, and what the units on it run by turns."""

    def __init__(self, clock: FakeClock, gibibytes: int, **models: Model) -> None:
        self.gibibytes = gibibytes
        self.machine = FakeMachine()
        self.units: list[Unit] = []
        self.models = models
        self.room = Room(
            self.machine,
            cast("Any", clock),
            units=lambda: self.units,
            limit=lambda: self.gibibytes * GIBIBYTE,
        )

    def learn(self, *specs: str) -> None:
        for each in specs:
            self.room.learn({cast("Any", each): self.models[each]})


class SmallWorld(World):
    """A unit that runs "A" there, beside others that just take their part."""

    def __init__(self, gibibytes: int, **sizes: int) -> None:
        models = {spec: Model(source=spec, max_requests=size) for spec, size in sizes.items()}
        clock = FakeClock()
        self.small = SmallMachine(clock, gibibytes, **models)
        super().__init__(room=self.small.room, clock=clock)
        self.small.units.append(self.unit)
        self.small.learn("A")

    def beside(self, spec: str) -> "Neighbour":
        """Another unit, started and ready, that runs `spec`."""
        return Neighbour(self, spec)

    def replace(self, spec: str, **options: bool) -> int:
        self.small.learn(spec)
        return self.unit.replace(spec, "edit", **options)


class Neighbour(World):
    def __init__(self, world: SmallWorld, spec: str) -> None:
        super().__init__(room=world.small.room, clock=world.clock, spec=spec)
        world.small.units.append(self.unit)
        world.small.learn(spec)
        self.started()
