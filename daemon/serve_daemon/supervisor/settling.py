"""Waiting for what becomes of a unit, or of several that are seen as one."""

from abc import ABC, abstractmethod

from serve_daemon.supervisor.changes import Changes
from serve_daemon.supervisor.instance import Instance


class Settling(ABC):
    """Each change of it is told to `changes`."""

    changes: Changes

    @abstractmethod
    def instances(self) -> list[Instance]:
        """All its processes, those that leave included."""

    @abstractmethod
    def has_stopped(self) -> bool:
        """Whether nobody wants it to run, and nothing of it does."""

    @abstractmethod
    def outcome(self, generation: int) -> str | None:
        """What became of a generation: "" it serves; else why not; None: not decided yet."""

    async def settled(self, generation: int) -> str:
        """Wait for the outcome of a generation."""
        await self.changes.wait_for(lambda: self.outcome(generation) is not None)
        return self.outcome(generation) or ""

    async def stopped(self) -> None:
        await self.changes.wait_for(self.has_stopped)
