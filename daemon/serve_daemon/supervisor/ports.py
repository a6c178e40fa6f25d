"""What a unit needs of the world: a program, room for it, a journal to write, a clock to read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from serve_daemon.supervisor.exits import LastExit
from serve_daemon.supervisor.instance import Clock, Instance, Limits
from serve_daemon.supervisor.placement import Decision, Placement
from serve_daemon.supervisor.restarts import RestartPolicy
from serve_daemon.supervisor.states import State

if TYPE_CHECKING:
    from serve_daemon.supervisor.unit import Unit


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
    @property
    def last_exit(self) -> LastExit | None: ...


class Journal(Protocol):
    """Where a unit's decisions are written down."""

    def moved(self, unit: Supervised, old: State, reason: str) -> None:
        """The unit has left state `old`."""

    def noted(self, unit: Supervised, message: str, reason: str = "") -> None:
        """Something happened that leaves the state as it is, and why if that is known."""


class Room(Protocol):
    """Where a unit's processes find memory."""

    def place(self, unit: "Unit") -> Decision:
        """Whether the next process of `unit` may start now."""


class EndlessRoom:
    """For what is small."""

    def place(self, _unit: "Unit") -> Decision:
        return Decision(Placement.BESIDE)


@dataclass(frozen=True)
class Ports:
    program: Program
    journal: Journal
    clock: Clock
    room: Room = field(default_factory=EndlessRoom)
    # Of a process that has just been spawned, and the unit's name: see that it takes no more than
    # it may.
    confine: Callable[[Instance, str], object] = lambda _instance, _name: None
