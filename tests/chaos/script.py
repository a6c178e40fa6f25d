"""Faults in a drawn order, while clients ask without a pause."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from chaos.clients import Clients

Target = TypeVar("Target")  # what the faults happen to


@dataclass(frozen=True)
class Fault(Generic[Target]):
    """Something that is done to what serves, which returns when that has taken it in."""

    name: str
    make: Callable[[Target], Awaitable[None]]
    cuts_connections: bool = False


def drawn(
    known: Mapping[str, Fault[Target]], counts: Mapping[str, int], seed: int
) -> list[Fault[Target]]:
    """Each fault as often as asked, in an order that the seed decides."""
    faults = [known[name] for name, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(faults)  # noqa: S311 - to be had again
    return faults


@dataclass(frozen=True)
class Script(Generic[Target]):
    """What happens, and under how many clients."""

    faults: list[Fault[Target]]
    num_clients: int
    pause_seconds: float  # before each fault

    async def play(self, target: Target, clients: Clients) -> None:
        """Make the faults one after the other; the clients leave when they have been answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.num_clients):
                group.create_task(clients.run(number))
            for fault in self.faults:
                # Requests are to be under way, at places that differ: no event tells of that.
                await asyncio.sleep(self.pause_seconds)
                await self._make(fault, target, clients)
            clients.leave()

    async def _make(self, fault: Fault[Target], target: Target, clients: Clients) -> None:
        tally = clients.tally
        tally.faults[fault.name] += 1
        tally.met[fault.name] += len(clients.open)
        if fault.cuts_connections:
            clients.may_be_cut |= clients.open
        await fault.make(target)
