"""Whose turn it is, in a change that takes several units one after the other."""

from collections.abc import Sequence
from typing import Any

from serve_daemon.supervisor.members import combined
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit


class Turns:
    """The units that wait for theirs, and of each other one the generation that it has begun."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.waiting: list[Unit] = []
        self._begun = {each: each.generation for each in units}

    def plan(self, wanted: Sequence[tuple[Unit, Any]], *, force: bool) -> None:
        """Have each unit run its spec; with `force`, also who does already."""
        self.waiting = [
            unit
            for unit, spec in wanted
            if force or unit.spec != spec or unit.state in (State.STOPPED, State.FAILED)
        ]
        self.waiting.sort(key=lambda each: each.coming is None)  # who moves, first
        self._begun = {unit: unit.generation for unit, _ in wanted if unit not in self.waiting}

    def begin(self, unit: Unit, generation: int) -> None:
        """It is on its way to a generation, and waits for no turn."""
        self.waiting = [each for each in self.waiting if each is not unit]
        self._begun[unit] = generation

    def next(self) -> Unit | None:
        """Whose turn it is: at once where it has nothing to lose, else after all the others."""
        idle = [each for each in self.waiting if each.serving is None]
        if idle:
            return idle[0]
        is_settled = all(each.outcome(begun) == "" for each, begun in self._begun.items())
        return self.waiting[0] if self.waiting and is_settled else None

    @property
    def is_over(self) -> bool:
        """Whether each unit serves what it should run."""
        return not self.waiting and all(
            each.serving is not None and each.serving.generation == begun
            for each, begun in self._begun.items()
        )

    @property
    def has_worked(self) -> bool:
        """Whether one serves what it should run."""
        return any(
            each.serving is not None and each.serving.generation == begun
            for each, begun in self._begun.items()
        )

    def outcome(self) -> str | None:
        """Of all of it, as a unit's."""
        undecided = [None for _ in self.waiting]
        return combined([*undecided, *(unit.outcome(at) for unit, at in self._begun.items())])
