"""Several units that run the same thing, seen as one: a model's replicas, a daemon's gateways.

A change replaces them one by one, each ready before the one it takes over from leaves. Where one
fails, those that are replaced already go back: all of them run what last worked for all.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.exits import LastExit
from serve_daemon.supervisor.instance import Instance
from serve_daemon.supervisor.members import RESTING, together
from serve_daemon.supervisor.ports import Ports, Supervised, UnitSettings
from serve_daemon.supervisor.settling import Settling
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.turns import Turns
from serve_daemon.supervisor.unit import Unit


class Group(Settling):
    """As many units as `spec` has members; the first ones stay when their number changes."""

    def __init__(
        self, name: str, spec: Sequence[Any], settings: UnitSettings, ports: Ports
    ) -> None:
        self.name = name
        self.spec = tuple(spec)
        self.changes = Changes()
        self.since = ports.clock.time()
        self.generation = 1
        self._generations = itertools.count(2)
        self._settings = settings
        self._ports = ports
        self._of_units = dataclasses.replace(ports, journal=self)
        self.units = [self._new_unit(each) for each in self.spec]
        self._surplus: set[Unit] = set()  # they leave, and are none of the model any more
        self._turns = Turns(self.units)
        self._is_forced = self._is_advancing = False
        self._reason = ""  # why they are replaced
        self._failed: dict[int, str] = {}
        self._proven: tuple[Any, ...] | None = None
        self._told = self.state

    # ------------------------------------------------------------ wishes

    def start(self, reason: str, *, wake: bool = True) -> int:
        """As a unit's `start`, of all that are to stay and don't wait for their turn."""
        wanted = self.generation
        lasting = self.units[: len(self.spec)]
        for each in [each for each in lasting if each not in self._turns.waiting]:
            self._turns.begin(each, each.start(reason, wake=wake))
        return wanted

    def wake(self, reason: str) -> None:
        for each in self.units:
            each.wake(reason)

    def sleep(self, reason: str) -> None:
        for each in self.units:
            each.sleep(reason)

    def stop(self, reason: str) -> None:
        self._proven = None  # who stops doesn't fail
        for each in self.all_units():
            each.stop(reason)

    def stop_now(self, reason: str) -> None:
        self.stop(reason)
        for each in self.all_units():
            each.stop_now(reason)

    def replace(self, spec: Sequence[Any], reason: str, *, force: bool = False) -> int:
        """Run `spec`, one unit after the other. Returns the generation to wait for.

        With `force`, also where a unit's spec is the same.
        """
        if tuple(spec) == self.spec and not force:
            return self.generation
        self._want(tuple(spec), reason, force=force)
        wanted = self.generation  # what can't even be spawned is gone from here at once
        self._advance()
        self.changes.notify()
        return wanted

    def convict(self, engine_id: str, request_id: str) -> None:
        """Remember, if the last exit is that engine's, that it was over this request."""
        for each in self.all_units():
            if each.last_exit is not None and each.last_exit.identity == engine_id:
                each.last_exit = each.last_exit.over(request_id)
                self._ports.journal.noted(self, f"{engine_id} has ended over request {request_id}")

    def check(self) -> None:
        for each in self.all_units():
            each.check()

    # ------------------------------------------------------------ for those who look

    @property
    def settings(self) -> UnitSettings:
        return self._settings

    @settings.setter
    def settings(self, settings: UnitSettings) -> None:
        self._settings = settings
        for each in self.all_units():
            each.settings = settings

    def all_units(self) -> list[Unit]:
        """Those that leave for good included."""
        return [*self.units, *self._surplus]

    @property
    def state(self) -> State:
        return together([each.state for each in self.units])

    @property
    def reason(self) -> str:
        """Of the unit that is worst off, where one is."""
        telling = [each for each in self.units if each.state in (State.FAILED, State.BACKOFF)]
        telling += [each for each in self.units if each.state is self.state]
        return telling[0].reason

    @property
    def serving(self) -> Instance | None:
        return next(iter(self.all_serving()), None)

    def all_serving(self) -> list[Instance]:
        return [each.serving for each in self.all_units() if each.serving is not None]

    @property
    def is_proven(self) -> bool:
        """Whether it is known to work with what it should run."""
        return self._proven == self.spec

    @property
    def is_current(self) -> bool:
        """Whether all of it serves what it should run."""
        return self._turns.is_over

    @property
    def last_exit(self) -> LastExit | None:
        exits = [each.last_exit for each in self.all_units() if each.last_exit is not None]
        return max(exits, key=lambda each: each.at, default=None)

    @property
    def retry_at(self) -> float | None:
        return min((at for each in self.units if (at := each.retry.at) is not None), default=None)

    @property
    def restarts(self) -> int:
        return sum(each.retry.total for each in self.units)

    def instances(self) -> list[Instance]:
        return [instance for unit in self.all_units() for instance in unit.instances()]

    def has_stopped(self) -> bool:
        return self.state is State.STOPPED and not self.instances()

    def outcome(self, generation: int) -> str | None:
        """As a unit's."""
        if self.state is State.FAILED:
            return self.reason
        if generation in self._failed:
            return self._failed[generation]
        if self.state not in RESTING and generation != self.generation:
            return "superseded by a later change"
        return self._turns.outcome()

    # ------------------------------------------------------------ the journal of its units

    def moved(self, unit: Supervised, _old: State, reason: str) -> None:
        self._judge()
        before, self._told = self._told, self.state
        if self.state is not before:
            self.since = self._ports.clock.time()
            self._ports.journal.moved(self, before, reason)
        else:
            self._ports.journal.noted(self, f"one of its processes is {unit.state}", reason)
        self._advance()
        self.changes.notify()

    def noted(self, _unit: Supervised, message: str, reason: str = "") -> None:
        self._judge()
        self._ports.journal.noted(self, message, reason)
        self._advance()
        self.changes.notify()

    # ------------------------------------------------------------ one by one

    def _want(self, spec: tuple[Any, ...], reason: str, *, force: bool = False) -> None:
        self.spec, self._reason, self._is_forced = spec, reason, force
        self.generation = next(self._generations)
        self.units += [self._new_unit(each) for each in spec[len(self.units) :]]
        for unit, due in itertools.zip_longest(self.units, spec):
            unit.wanted.due = due
        self._turns.plan(list(zip(self.units, spec, strict=False)), force=force)

    def _judge(self) -> None:
        """Go back to what last worked for all where it doesn't for one of them."""
        if self.is_current or (self._proven is None and self._turns.has_worked):
            self._proven = self.spec
        elif self.state in RESTING or self.state is State.FAILED:
            self._proven = None
        failure = self.outcome(self.generation)
        if failure and self._proven is not None and self._proven != self.spec:
            self._failed = {self.generation: failure}
            self._want(self._proven, "back to what worked")
            if self._turns.waiting:
                self._ports.journal.noted(self, self._reason)

    def _advance(self) -> None:
        if self._is_advancing:  # a unit tells of what it is made to do here
            return
        self._is_advancing = True
        while (unit := self._turns.next()) is not None:
            self._begin(unit)
            self._judge()
        self._is_advancing = False
        is_over = not self._turns.waiting and self.outcome(self.generation) is not None
        if is_over or any(each.waits_for_room for each in self.units):
            self._dismiss_surplus()
        self._surplus = {each for each in self._surplus if each.instances()}

    def _begin(self, unit: Unit) -> None:
        state, spec = self.state, self.spec[self.units.index(unit)]
        begun = unit.replace(spec, self._reason, force=self._is_forced)
        self._turns.begin(unit, begun)
        if state is State.ASLEEP and unit.state is State.STOPPED:
            unit.sleep(self._reason)
        elif state in (State.STARTING, State.READY, State.BACKOFF):
            unit.start(self._reason)

    def _dismiss_surplus(self) -> None:
        surplus, self.units = self.units[len(self.spec) :], self.units[: len(self.spec)]
        self._surplus.update(surplus)
        for each in surplus:
            each.stop("there are to be fewer of it")

    def _new_unit(self, spec: Any) -> Unit:
        return Unit(self.name, spec, self._settings, self._of_units)
