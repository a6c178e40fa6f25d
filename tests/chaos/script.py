"""Faults in a drawn order, while clients ask without a pause."""

import asyncio
import random
from collections.abc import Mapping

from chaos.clients import Clients
from chaos.faults import FAULTS, Edited, Fault


def drawn(counts: Mapping[str, int], seed: int) -> list[Fault]:
    """Each fault as often as asked, in an order that the seed decides."""
    faults = [FAULTS[name] for name, count in counts.items() for _ in range(count)]
    random.Random(seed).shuffle(faults)  # noqa: S311 - to be had again
    return faults


async def make_all(
    edited: Edited, clients: Clients, faults: list[Fault], num_clients: int, pause_seconds: float
) -> None:
    """Make the faults one after the other; the clients leave when they have been answered."""
    async with asyncio.TaskGroup() as group:
        for number in range(num_clients):
            group.create_task(clients.run(number))
        for fault in faults:
            # Requests are to be under way, at places that differ: no event tells of that.
            await asyncio.sleep(pause_seconds)
            await _make(fault, edited, clients)
        clients.leave()


async def _make(fault: Fault, edited: Edited, clients: Clients) -> None:
    tally = clients.tally
    tally.faults[fault.name] += 1
    tally.met[fault.name] += len(clients.open)
    if fault.cuts_connections:
        clients.may_be_cut |= clients.open
    await fault.make(edited)
