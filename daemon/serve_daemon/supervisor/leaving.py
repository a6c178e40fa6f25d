"""The processes of a unit that are to leave, and whether the next one has to wait for that."""

from serve_daemon.supervisor.instance import Instance, Limits, Phase
from serve_daemon.supervisor.ports import Program


class Leaving(set[Instance]):
    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program
        self._first: set[Instance] = set()

    @property
    def must_end_first(self) -> bool:
        """Whether something has to be gone before another process starts."""
        self._first &= self
        return bool(self._first) or any(each.phase is Phase.STOPPING for each in self)

    def abandon(self, instance: Instance) -> None:
        """Have it leave now."""
        self.add(instance)
        instance.terminate()

    def release(self, instance: Instance, limits: Limits, *, first: bool = False) -> None:
        """Let it finish what it has; with `first`, nothing starts before it is gone."""
        self.add(instance)
        if first:
            self._first.add(instance)
        self._program.release(instance, limits)
