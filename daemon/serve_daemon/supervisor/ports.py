"""What a unit needs of the world: a program to run, a journal to write, a clock to read."""

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from serve_daemon.supervisor.instance import Clock, Instance, Limits
from serve_daemon.supervisor.restarts import RestartPolicy
from serve_daemon.supervisor.states import State


class UnitSettings(Struct, frozen=True):
    """What may change while the unit runs."""

    limits: Limits
    restarts: RestartPolicy


class Program(Protocol):
    """What a unit runs."""

    def identify(self) -> str:
        """A name for the next instance, unique for the daemon's life."""

    def spawn(self, instance: Instance) -> None:
        """Start the process of `instance` and set its `process`. Raises `OSError`."""

    def release(self, instance: Instance, limits: Limits) -> None:
        """See that `instance` gets no new work, then have it drain."""


class Supervised(Protocol):
    """A unit, or several that are seen as one."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> State: ...


class Journal(Protocol):
    """Where a unit's decisions are written down."""

    def moved(self, unit: Supervised, old: State, reason: str) -> None:
        """The unit has left state `old`."""

    def noted(self, unit: Supervised, message: str) -> None:
        """Something happened that leaves the state as it is."""


@dataclass(frozen=True)
class Ports:
    program: Program
    journal: Journal
    clock: Clock
