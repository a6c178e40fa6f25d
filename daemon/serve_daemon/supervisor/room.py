"""Where engines find memory: what each device has, what the units hold of it, who may start."""

from collections.abc import Callable, Iterable
from typing import Protocol

from serve_daemon.config.checkpoint import quantization_of
from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.advice import advise, size
from serve_daemon.supervisor.instance import Clock, Instance
from serve_daemon.supervisor.machine import Need
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


class Machine(Protocol):
    """What engines need, and what there is."""

    def need(self, launch: EngineLaunch) -> Need | None:
        """Of one engine; None where nothing is known, as of weights that aren't downloaded."""

    def estimate(self, launch: EngineLaunch, model: Model) -> Estimate | None:
        """Of one that is launched alike, but with the keys of `model`."""

    def free(self, device: str) -> int | None:
        """Bytes; None where nobody can tell."""


class Room:
    """Decides for a unit by what all units hold. It never waits.

    `limit` tells how many bytes all engines may take together on a device, `own_limit` how many of
    the host each engine of a model; 0: what is free.
    """

    def __init__(
        self,
        machine: Machine,
        clock: Clock,
        *,
        units: Callable[[], Iterable[Unit]],
        limit: Callable[[], int],
        own_limit: Callable[[str], int] = lambda _model: 0,
    ) -> None:
        self._own_limit = own_limit
        self._machine = machine
        self._clock = clock
        self._units = units
        self._limit = limit
        self._is_reconsidering = False
        self._needs: dict[EngineLaunch, Need] = {}  # of what units run

    def need(self, launch: EngineLaunch) -> Need | None:
        """As `Machine.need`, of headers that were read once."""
        if launch not in self._needs and (need := self._machine.need(launch)) is not None:
            self._needs[launch] = need
        return self._needs.get(launch)

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
        self._forget(unit.spec)
        need = self.need(unit.spec)
        if message := self.exceeds(unit.spec, self._own_limit(unit.name)):
            return Decision(Placement.REFUSE, message)
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
            least=need.least,
        )
        placement = place(at)
        if placement is not Placement.REFUSE:
            return Decision(placement)
        room = max(capacity - others.wanted, 0)
        return Decision(placement, self.refusal(unit.spec, room, others.wanted))

    def exceeds(self, launch: EngineLaunch, own_limit: int) -> str:
        """Why an engine can't do with so many bytes of the host, and what to do; "": it can.

        What one on a GPU takes of the host is not known.
        """
        need = self.need(launch)
        if not own_limit or need is None or need.device != "cpu" or need.least <= own_limit:
            return ""
        return (
            f"needs {size(need.least)} at least, and its memory_max is {size(own_limit)};"
            f" raise that, or {self._advice(launch, need, own_limit)}"
        )

    def _advice(self, launch: EngineLaunch, need: Need, room: int) -> str:
        def total_of(model: Model) -> int | None:
            estimate = self._machine.estimate(launch, model)
            return estimate.total if estimate is not None else None

        is_quantized = bool(quantization_of(need.model.source))
        return advise(need.model, room, total_of, is_quantized=is_quantized).text

    def refusal(self, launch: EngineLaunch, room: int, others: int) -> str:
        """Why an engine does not fit into so many bytes beside those of others, and what to do.

        Of a launch whose need is known.
        """
        need = self.need(launch)
        if need is None:
            return ""
        estimate, beside = need.estimate, f", beside the {size(others)} of others" if others else ""
        return (
            f"needs {size(estimate.total)} on {need.device} (weights {size(estimate.weights)},"
            f" keys and values {size(estimate.kv_cache)}), and {size(room)} are to be had{beside};"
            f" {self._advice(launch, need, room)}"
        )

    def capacity(self, device: str, limit: int | None = None) -> int | None:
        """Bytes that all engines may take together there; None where nobody can tell.

        With `limit` in place of the one that holds.
        """
        free, limit = self._machine.free(device), self._limit() if limit is None else limit
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
        return max(need.least if need is not None else 0, peak_bytes(instance))

    def expected_of(self, unit: Unit) -> tuple[str, int] | None:
        """Device and bytes of the engine that serves, or is about to; None where there is none."""
        engine = unit.coming or unit.serving
        device = self._device_of(engine) if engine is not None else None
        return (device, self.expected(engine)) if engine is not None and device else None

    def _forget(self, launch: EngineLaunch) -> None:
        """Its files may be others by now; and what no unit runs is of no interest."""
        used = {each for unit in self._units() for each in _specs(unit)} - {launch}
        self._needs = {each: self._needs[each] for each in self._needs if each in used}

    def _wanted(self, unit: Unit, device: str) -> int:
        if unit.state not in WANTING or unit.wanted.due is None:
            return 0
        if unit.serving is not None and unit.serving.spec == unit.wanted.due:
            return self._taken([unit.serving], device)
        need = self.need(unit.wanted.due)
        return need.least if need is not None and need.device == device else 0

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
    return [unit.spec, unit.wanted.due, *(each.spec for each in unit.instances())]
