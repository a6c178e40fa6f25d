"""One change of the configuration that has begun, and what becomes of it."""

import asyncio
from collections.abc import Callable

from msgspec import Struct, structs

from serve_daemon.config.plan import Action, Change
from serve_daemon.supervisor.forecast import Memory
from serve_daemon.supervisor.group import Group


class Step(Struct, frozen=True):
    """A `Change` of the control interface: planned, and later with what became of it."""

    subject: str
    action: str
    keys: list[str]
    outcome: str = ""  # done | failed
    reason: str = ""
    memory: list[Memory] = []  # what it is expected to take, where that is known
    requests_wait: bool = False  # for want of room beside the engine that serves


class Begun(Struct, frozen=True):
    """A change that is under way, and how to know its end."""

    change: Change
    unit: Group | None = None
    generation: int = 0


class Kept(Struct, frozen=True):
    """What the history says of a configuration, once it has come into force."""

    number: int  # of the reload, counted from 1; 0 for what the daemon started with
    trigger: str
    changes: list[str]
    files: dict[str, str]  # text by path


class Reload:
    """One change of the configuration, begun. It comes to its end whether anybody waits or not."""

    def __init__(self, begun: list[Begun], kept: Kept, on_end: Callable[["Reload"], None]) -> None:
        self.begun = begun
        self.kept = kept
        self._on_end = on_end
        self.changes = [planned(each.change) for each in begun]
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def finished(self) -> list[Step]:
        """Wait until everything has come to its end, good or bad."""
        await asyncio.shield(self._ending)
        return self.changes

    async def _end(self) -> None:
        self.changes = [await self._finish(each) for each in self.begun]
        self._on_end(self)

    async def _finish(self, begun: Begun) -> Step:
        step = planned(begun.change)
        failure = ""
        match begun.unit, begun.change.action:
            case None, Action.RESTART:
                reason = "takes effect when the daemon is restarted"
                return structs.replace(step, outcome="done", reason=reason)
            case None, _:
                pass
            case unit, Action.STOP:
                await unit.stopped()
            case unit, _:
                failure = await unit.settled(begun.generation)
        return structs.replace(step, outcome="failed" if failure else "done", reason=failure)


def planned(change: Change) -> Step:
    """What has no outcome yet."""
    return Step(change.subject, str(change.action), list(change.keys))
