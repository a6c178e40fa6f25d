"""Where engines find memory: what each device has, what the units hold of it, who may start."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from serve_daemon.config.checkpoint import quantization_of
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.advice import advise, size
from serve_daemon.supervisor.instance import Clock, Instance
from serve_daemon.supervisor.memory import resident_bytes
from serve_daemon.supervisor.placement import (
    Decision,
    Holding,
    Placement,
    Situation,
    place,
    total,
)
from serve_daemon.supervisor.programs import EngineLaunch
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit

# In these a unit has an engine, or is to get one by itself.
WANTING = frozenset({State.STARTING, State.READY, State.BACKOFF})


class Need(Struct, frozen=True):
    """What one engine is expected to take of its device."""

    device: str
    estimate: Estimate


class Machine(Protocol):
    """What is to be known of the machine; None where it isn't."""

    def estimate(self, model: Model) -> Estimate | None: ...
    def device(self, model: Model) -> str | None: ...
    def free(self, device: str) -> int | None: ...


class Room:
    """Decides for a unit by what all units hold. It never waits.

    `limit` tells how many bytes all engines may take together on a device; 0: what is free.
    """

    def __init__(
        self,
        machine: Machine,
        clock: Clock,
        *,
        units: Callable[[], Iterable[Unit]],
        limit: Callable[[], int],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._units = units
        self._limit = limit
        self._is_reconsidering = False
        self._models: dict[EngineLaunch, Model] = {}
        self._needs: dict[EngineLaunch, Need] = {}

    def learn(self, models: Mapping[EngineLaunch, Model]) -> None:
        """Remember the keys that launches were made of, for as long as a unit may run them."""
        self._models |= models
        used = {each for unit in self._units() for each in _specs(unit)} | set(models)
        self._models = {each: self._models[each] for each in self._models if each in used}
        self._needs = {each: self._needs[each] for each in self._needs if each in used}

    def need(self, launch: EngineLaunch) -> Need | None:
        """Of one engine; None where nothing is known, as of weights that aren't downloaded."""
        if launch not in self._needs and launch in self._models:
            need = self.need_of(self._models[launch])
            if need is not None:
                self._needs[launch] = need
        return self._needs.get(launch)

    def need_of(self, model: Model) -> Need | None:
        """As `need`, computed anew."""
        device, estimate = self._machine.device(model), self._machine.estimate(model)
        return None if device is None or estimate is None else Need(device, estimate)

    def reconsider_soon(self) -> None:
        """Something has changed: once that is complete, have those go on that wait for room."""
        if not self._is_reconsidering:
            self._is_reconsidering = True
            self._clock.call_later(0.0, self.reconsider)

    def reconsider(self) -> None:
        """Have those go on that wait for room, or were refused, where there is some."""
        self._is_reconsidering = False
        for each in list(self._units()):
            each.reconsider()

    def place(self, unit: Unit) -> Decision:
        """Whether, and when, the unit's next engine may start."""
        self._needs.pop(unit.spec, None)  # its files may be others by now
        need = self.need(unit.spec)
        capacity = self.capacity(need.device) if need is not None else None
        if need is None or capacity is None:
            return Decision(Placement.BESIDE)
        others = total(
            self.holding(each, need.device) for each in self._units() if each is not unit
        )
        at = Situation(
            capacity,
            need.estimate.total,
            serving=self._taken(present(unit.serving), need.device),
            leaving=self._taken(unit.leaving, need.device),
            others=others,
        )
        placement = place(at)
        if placement is not Placement.REFUSE:
            return Decision(placement)
        return Decision(placement, self.refusal(self._models[unit.spec], need, at))

    def refusal(self, model: Model, need: Need, at: Situation) -> str:
        """Why it does not fit, and what to do."""
        estimate = need.estimate
        room = max(at.capacity - at.others.wanted, 0)
        others = f", beside the {size(at.others.wanted)} of others" if at.others.wanted else ""
        is_quantized = bool(quantization_of(model.source))
        advice = advise(model, estimate, room, is_quantized=is_quantized)
        return (
            f"needs {size(estimate.total)} on {need.device} (weights {size(estimate.weights)},"
            f" keys and values {size(estimate.kv_cache)}), and {size(room)} are to be had{others};"
            f" {advice.text}"
        )

    def capacity(self, device: str) -> int | None:
        """Bytes that all engines may take together there; None where nobody can tell."""
        free, limit = self._machine.free(device), self._limit()
        used = sum(
            used_bytes(each, device)
            for unit in self._units()
            for each in unit.instances()
            if self._device_of(each) == device
        )
        bounds = [limit] if limit else []
        bounds += [] if free is None else [free + used]
        return min(bounds, default=None)

    def holding(self, unit: Unit, device: str) -> Holding:
        """What a unit takes of a device, now and later."""
        wanted = self._wanted(unit, device)
        following = unit.coming or unit.serving
        soon = self._taken([following], device) if following is not None else wanted
        return Holding(self._taken(unit.instances(), device), soon, wanted)

    def expected(self, instance: Instance) -> int:
        """What a process takes at its most: as estimated, or more where it already has."""
        need = self.need(instance.spec)
        return max(need.estimate.total if need is not None else 0, peak_bytes(instance))

    def _wanted(self, unit: Unit, device: str) -> int:
        if unit.state not in WANTING:
            return 0
        if unit.serving is not None and unit.serving.generation == unit.generation:
            return self._taken([unit.serving], device)
        need = self.need(unit.spec)
        return need.estimate.total if need is not None and need.device == device else 0

    def _taken(self, instances: Iterable[Instance], device: str) -> int:
        return sum(self.expected(each) for each in instances if self._device_of(each) == device)

    def _device_of(self, instance: Instance) -> str | None:
        need = self.need(instance.spec)
        return need.device if need is not None else getattr(instance.ready, "device", None)


def present(*instances: Instance | None) -> list[Instance]:
    return [each for each in instances if each is not None]


def peak_bytes(instance: Instance) -> int:
    """The most that a process says it had; 0 where it has said nothing yet."""
    said = (instance.ready, instance.heartbeat)
    return max(getattr(each, "peak_bytes", 0) for each in said)


def used_bytes(instance: Instance, device: str) -> int:
    """What a process has of a device now."""
    return resident_bytes(instance.pid) if device == "cpu" else peak_bytes(instance)


def _specs(unit: Unit) -> list[EngineLaunch]:
    return [unit.spec, *(each.spec for each in unit.instances())]
