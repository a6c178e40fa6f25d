"""Whether a unit's next engine has room on its device, and when. Pure; all sizes are bytes.

An engine counts with what it is expected to take at its most, from the moment it is started, so
that what is about to grow is not mistaken for room. One that chooses the size of its cache by what
is free can do with less than it would like, and counts with that, or with what it has taken.
"""

from collections.abc import Iterable
from enum import StrEnum, auto

from msgspec import Struct


class Placement(StrEnum):
    BESIDE = auto()  # there is room beside all that runs: start it now
    WAIT = auto()  # there will be, once what leaves or is replaced is gone
    SWAP = auto()  # only without the one that it replaces: that one leaves first, requests wait
    REFUSE = auto()  # not even then


class Decision(Struct, frozen=True):
    placement: Placement
    reason: str = ""  # why it is refused, and what to do


class Holding(Struct, frozen=True):
    """What one unit takes of a device."""

    now: int = 0  # by all its processes, those that leave included
    soon: int = 0  # once those have left, and what loads has taken over
    wanted: int = 0  # once it runs what it is to run


class Situation(Struct, frozen=True):
    """A device, as it is when a unit's next engine is to start there."""

    capacity: int  # what all engines may take together
    need: int  # of the next engine, as it would like it
    serving: int = 0  # of the engine that it replaces
    leaving: int = 0  # of the unit's engines that leave already
    others: Holding = Holding()  # all other units together
    least: int | None = None  # with what the next engine can do, where that is less than its need


def total(holdings: Iterable[Holding]) -> Holding:
    """What several units take together."""
    now, soon, wanted = 0, 0, 0
    for each in holdings:
        now, soon, wanted = now + each.now, soon + each.soon, wanted + each.wanted
    return Holding(now, soon, wanted)


def place(at: Situation) -> Placement:
    """Where and when the next engine starts.

    Who only shrinks never has to wait for others that do, so that of several units whose wishes
    fit together one can always go on.
    """
    others, least = at.others, at.need if at.least is None else at.least

    def fits(*taken: int, size: int = at.need) -> bool:
        return size + sum(taken) <= at.capacity

    if not fits(others.wanted, size=least):
        return Placement.REFUSE
    if fits(others.now, at.serving, at.leaving):
        return Placement.BESIDE
    if fits(others.soon, at.serving):
        return Placement.WAIT
    if at.serving:
        shrinks = at.need <= at.serving
        return Placement.SWAP if shrinks or fits(others.now, size=least) else Placement.WAIT
    makes_do = not fits(others.wanted) and fits(others.now, at.leaving, size=least)
    return Placement.BESIDE if makes_do else Placement.WAIT
