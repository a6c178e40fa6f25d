"""The processes of one unit, and how each comes to be and is made to leave.

Which of them there are to be, `unit.py` decides.
"""

from abc import abstractmethod
from typing import Any

from serve_daemon.supervisor.exits import Exit, Result, Verdict
from serve_daemon.supervisor.instance import Instance, Limits
from serve_daemon.supervisor.leaving import Leaving
from serve_daemon.supervisor.ports import Ports
from serve_daemon.supervisor.settling import Settling


class Processes(Settling):
    """`serving` does the work, `coming` loads, `leaving` finish what they have."""

    name: str

    def __init__(self, ports: Ports) -> None:
        self.serving: Instance | None = None
        self.coming: Instance | None = None
        self.leaving = Leaving(ports.program)
        self._program = ports.program
        self._clock = ports.clock
        self._confine = ports.confine

    @abstractmethod
    def on_ready(self, instance: Instance) -> None: ...
    @abstractmethod
    def on_exit(self, instance: Instance, ended: Exit) -> None: ...

    def working(self) -> list[Instance]:
        return [each for each in (self.serving, self.coming) if each is not None]

    def works_on(self, generation: int) -> bool:
        """Whether a process of it serves, or is about to."""
        return any(each.generation == generation for each in self.working())

    def instances(self) -> list[Instance]:
        return self.working() + sorted(self.leaving, key=lambda each: each.identity)

    def _spawn(self, spec: Any, generation: int, limits: Limits) -> None:
        """Have one more come; what can't even be started is gone at once."""
        identity = self._program.identify()
        instance = Instance(identity, spec, generation, owner=self, clock=self._clock)
        self.coming = instance
        try:
            self._program.spawn(instance)
        except OSError as error:
            verdict = Verdict(Result.SPAWN, f"can't be started: {error}")
            self.on_exit(instance, Exit(None, verdict=verdict))
            return
        self._confine(instance, self.name)  # before what it was sent is on its way
        instance.watch_start(limits.start_seconds)

    def _take_over(self, instance: Instance, limits: Limits) -> Instance | None:
        """What came serves from now on. Returns what did, and leaves."""
        before, self.serving, self.coming = self.serving, instance, None
        if before is not None:
            self.leaving.release(before, limits)
        return before

    def _abandon_coming(self) -> None:
        """What isn't ready yet has nothing to finish."""
        coming, self.coming = self.coming, None
        if coming is not None:
            self.leaving.abandon(coming)

    def _release_serving(self, limits: Limits, *, first: bool = False) -> None:
        """Let it finish what it has; with `first`, nothing starts before it is gone."""
        serving, self.serving = self.serving, None
        if serving is not None:
            self.leaving.release(serving, limits, first=first)
