"""Units on a machine that has as much memory as a test says, for specs that are told by letters."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from fakes.units import SETTINGS, FakeClock, FakeJournal, FakeProgram, World, engine_ready
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.instance import Instance, Phase
from serve_daemon.supervisor.machine import Need
from serve_daemon.supervisor.ports import Ports
from serve_daemon.supervisor.room import Room
from serve_daemon.supervisor.unit import Unit
from serve_daemon.wire.messages import Failing, Reason

GIBIBYTE = 2**30


class FakeMachine:
    """An engine takes 1 GiB for each of its `max_requests`."""

    def __init__(self, models: dict[str, Model]) -> None:
        self.models = models  # by spec
        self.unknown: set[str] = set()  # the specs that nothing is known of
        self.free_bytes: dict[str, int] = {}
        self.least: dict[str, int] = {}  # by spec, of those that can do with less

    def estimate(self, _launch: Any, model: Model) -> Estimate:
        return Estimate(program=0, weights=0, kv_cache=model.max_requests * GIBIBYTE, workspace=0)

    def need(self, launch: Any) -> Need | None:
        if launch in self.unknown:
            return None
        model = self.models[launch]
        device = "cpu" if model.device == "auto" else model.devices[0]
        estimate = self.estimate(launch, model)
        return Need(device, estimate, model, self.least.get(launch, estimate.total))

    def free(self, device: str) -> int | None:
        return self.free_bytes.get(device)


class SmallMachine:
    """So many GiB, and what the units on it run by turns."""

    def __init__(self, clock: FakeClock, gibibytes: int, **models: Model) -> None:
        self.gibibytes = gibibytes
        self.own_limit = 0  # bytes, of each model
        self.machine = FakeMachine(models)
        self.units: list[Unit] = []
        self.find: Callable[[], Iterable[Unit]] = lambda: self.units
        self.models = models
        self.room = Room(
            self.machine,
            cast("Any", clock),
            units=self._units,
            limit=lambda: self.gibibytes * GIBIBYTE,
            own_limit=lambda _model: self.own_limit,
        )

    def _units(self) -> Iterable[Unit]:
        return self.find()


class SmallWorld(World):
    """A unit that runs "A" there, beside others that just take their part."""

    def __init__(self, gibibytes: int, **sizes: int) -> None:
        models = {spec: Model(source=spec, max_requests=size) for spec, size in sizes.items()}
        clock = FakeClock()
        self.small = SmallMachine(clock, gibibytes, **models)
        super().__init__(room=self.small.room, clock=clock)
        self.small.units.append(self.unit)

    def beside(self, spec: str) -> "Neighbour":
        """Another unit, started and ready, that runs `spec`."""
        return Neighbour(self, spec)

    def replace(self, spec: str, **options: bool) -> int:
        return self.unit.replace(spec, "edit", **options)


class Neighbour(World):
    def __init__(self, world: SmallWorld, spec: str) -> None:
        super().__init__(room=world.small.room, clock=world.clock, spec=spec)
        world.small.units.append(self.unit)
        self.started()


class SmallGroup:
    """Several units of one group there."""

    def __init__(self, gibibytes: int, spec: str, **sizes: int) -> None:
        models = {each: Model(source=each, max_requests=size) for each, size in sizes.items()}
        self.clock, self.program, self.journal = FakeClock(), FakeProgram(), FakeJournal()
        self.small = SmallMachine(self.clock, gibibytes, **models)
        clock = cast("Any", self.clock)
        ports = Ports(self.program, self.journal, clock, self.small.room)
        self.group = Group("m", spec, SETTINGS, ports)
        self.small.find = self.group.all_units

    def started(self) -> list[Instance]:
        self.group.start("test")
        self.ready(len(self.group.units))
        return self.serving

    def replace(self, spec: str) -> int:
        return self.group.replace(spec, "edit")

    def ready(self, count: int = 1) -> None:
        """The newest processes say that they are ready."""
        for each in self.program.spawned[-count:]:
            each.on_message(engine_ready())

    def fail(self, reason: Reason) -> None:
        """The newest process says why it can't go on, and exits."""
        self.program.spawned[-1].on_message(Failing(reason, "as told"))
        self.program.spawned[-1].on_exit(1)

    def obey(self) -> list[Instance]:
        """Have each process do what it is to do next. Returns those that had anything to do."""
        busy = [each for each in self.group.instances() if each.phase is not Phase.READY]
        for each in busy:
            if each.phase is Phase.STARTING:
                each.on_message(engine_ready())
            elif each.phase is not Phase.GONE:
                each.on_exit(0)
        self.small.room.reconsider()
        return busy

    @property
    def serving(self) -> list[Instance]:
        return self.group.all_serving()

    def specs(self) -> str:
        return "".join(each.spec for each in self.serving)
