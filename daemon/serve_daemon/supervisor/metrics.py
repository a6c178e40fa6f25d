"""What all processes have counted together, of those that are gone, too.

What a process tells of itself only grows, so what it tells more than before is added to the sum. A
sum never goes back, whatever dies, is replaced or is told twice; what is lost of a process is what
it had not told yet.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from operator import add, sub
from weakref import WeakKeyDictionary

from serve_daemon.supervisor.exits import explain
from serve_daemon.supervisor.group import Group
from serve_daemon.supervisor.instance import Instance
from serve_daemon.wire.messages import EngineHeartbeat
from serve_daemon.wire.metrics import Counted, Counts, labelled

STEPS, RESTARTS, EXITS = "steps", "restarts", "exits"
KEPT_MODELS = 1000  # of which no more is known than that they were once served


class Totals:
    """Sums of counts by model; the model "" is for what belongs to none. Pure."""

    def __init__(self) -> None:
        self._of: dict[str, Counts] = {}  # those that grew last are last
        self._told: WeakKeyDictionary[object, dict[str, Counts]] = WeakKeyDictionary()

    @property
    def models(self) -> list[str]:
        return sorted(each for each in self._of if each)

    def of(self, model: str) -> Mapping[str, list[float]]:
        return self._of.get(model, {})

    def take(self, source: object, model: str, counts: Counts) -> None:
        """What `source`, a process or the like, has counted so far of one model."""
        told = self._told.setdefault(source, {}).setdefault(model, {})
        for name, numbers in counts.items():
            before = told.get(name, [])
            told[name] = _joined(max, numbers, before)
            self._grow(model, name, _joined(sub, told[name], before))

    def add(self, model: str, name: str) -> None:
        """One more of what is counted here."""
        self._grow(model, name, [1.0])

    def _grow(self, model: str, name: str, growth: list[float]) -> None:
        of_model = self._of.pop(model, {})
        of_model[name] = _joined(add, of_model.get(name, []), growth)
        self._of[model] = of_model
        if len(self._of) > KEPT_MODELS:
            del self._of[next(each for each in self._of if each)]


def _joined(
    operation: Callable[[float, float], float], first: list[float], second: list[float]
) -> list[float]:
    pairs = zip_longest(first, second, fillvalue=0.0)
    return [operation(one, other) for one, other in pairs]


class Metrics:
    """The totals, and what is open at the gateways."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._open: WeakKeyDictionary[Instance, dict[str, tuple[int, int]]] = WeakKeyDictionary()

    def hear(self, gateway: Instance, message: Counted) -> None:
        for each in message.models:
            self.totals.take(gateway, each.model, each.counts)
            now = (each.open_requests, each.queued)
            self._open.setdefault(gateway, {})[each.model] = now

    def look_at(self, model: Group) -> None:
        """Take what its engines have told of themselves."""
        for each in model.instances():
            self._look_at_engine(each)
        self.totals.take(model, model.name, {RESTARTS: [float(model.restarts)]})

    def look_at_gateways(self, gateway: Group) -> None:
        self.totals.take(gateway, "", {RESTARTS: [float(gateway.restarts)]})

    def engine_ended(self, engine: Instance) -> None:
        self._look_at_engine(engine)
        self._count_exit(engine, engine.spec.spec.model)

    def gateway_ended(self, gateway: Instance) -> None:
        self._count_exit(gateway, "")

    def open_requests(self, gateways: Iterable[Instance], model: str) -> tuple[int, int]:
        """Those at these gateways, and how many of them wait for their turn."""
        found = [self._open.get(each, {}).get(model, (0, 0)) for each in gateways]
        return sum(each[0] for each in found), sum(each[1] for each in found)

    def _look_at_engine(self, engine: Instance) -> None:
        if isinstance(engine.heartbeat, EngineHeartbeat):
            steps = [float(engine.heartbeat.steps)]
            self.totals.take(engine, engine.spec.spec.model, {STEPS: steps})

    def _count_exit(self, instance: Instance, model: str) -> None:
        if instance.ended is not None:
            self.totals.add(model, labelled(EXITS, explain(instance.ended).result))
