"""What a plan is expected to take of each device's memory, change by change. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from serve_daemon.supervisor.placement import Holding, Placement, Situation, place


class Part(Struct, frozen=True):
    """One replica's part of one device, in bytes: what it takes now, and what it is to take."""

    device: str
    before: int
    after: int
    is_replaced: bool = False  # by a new engine there
    least: int | None = None  # with what that one can do, where that is less


class Memory(Struct, frozen=True):
    """What a model's engines take of one device, in bytes."""

    device: str
    before: int
    during: int  # at the most, while the change is carried out
    after: int


class Lack(Struct, frozen=True):
    """What has no room."""

    replica: int  # counted from 0
    room: int  # bytes that are to be had there
    others: int  # bytes that all other engines take


class Forecast(Struct, frozen=True):
    memory: list[Memory] = []
    requests_wait: bool = False  # for want of room beside the engine that serves
    lack: Lack | None = None  # it can't be done, and all stays as it is


def forecast(
    parts: Mapping[str, list[Part]], capacities: Mapping[str, int | None]
) -> dict[str, Forecast]:
    """Of each model, by its parts; they are changed in their order, each replica by itself."""
    taken, wanted = _sums(parts.values()), _wanted(parts.values())
    found = {}
    for name, own in parts.items():
        change = _Change(own, Counter(taken), Counter(wanted), capacities)
        found[name] = change.carried_out()
        if found[name].lack is None:
            taken.subtract(_sums([own]))
            taken.update(_wanted([own]))
        else:
            wanted.subtract(_wanted([own]))
            wanted.update(_sums([own]))
    return found


class _Change:
    """One model's, on devices of which `taken` and `wanted` is what all models take."""

    def __init__(
        self,
        parts: list[Part],
        taken: Counter[str],
        wanted: Counter[str],
        capacities: Mapping[str, int | None],
    ) -> None:
        self._parts = parts
        self._taken = taken
        self._wanted = wanted
        self._capacities = capacities
        self._own = _sums([parts])
        self._most = Counter(self._own)
        self._is_held = False

    def carried_out(self) -> Forecast:
        before, after = _sums([self._parts]), Counter[str]()
        for part in self._parts:
            after[part.device] += part.after
        for number, part in enumerate(self._parts):
            if self._replace(part) is Placement.REFUSE:
                unchanged = [Memory(each, size, size, size) for each, size in before.items()]
                memory = [each for each in unchanged if each.after]
                return Forecast(memory, lack=self._lack(number, part))
        devices = dict.fromkeys(each.device for each in self._parts)
        memory = [Memory(each, before[each], self._most[each], after[each]) for each in devices]
        return Forecast([each for each in memory if each.during], requests_wait=self._is_held)

    def _replace(self, part: Part) -> Placement:
        """Take the sums to where they are once the part is as it is to be."""
        placement = self._placement(part)
        if placement is Placement.REFUSE:
            return placement
        added = part.after if part.is_replaced else 0
        removed = part.before if part.is_replaced or not part.after else 0
        if placement is Placement.SWAP:
            num_serving = sum(bool(each.before) for each in self._parts)
            self._is_held = self._is_held or num_serving == 1
            self._add(part.device, -removed)
            self._add(part.device, added)
        else:
            self._add(part.device, added)
            self._add(part.device, -removed)
        return placement

    def _placement(self, part: Part) -> Placement:
        capacity = self._capacities.get(part.device)
        if not part.is_replaced or capacity is None:
            return Placement.BESIDE
        now = self._taken[part.device] - part.before
        wanted = self._wanted[part.device] - _least(part)
        others = Holding(now, min(now, wanted), wanted)
        at = Situation(capacity, part.after, part.before, others=others, least=part.least)
        return place(at)

    def _lack(self, number: int, part: Part) -> Lack:
        others = self._wanted[part.device] - _least(part)
        return Lack(number, max((self._capacities[part.device] or 0) - others, 0), others)

    def _add(self, device: str, size: int) -> None:
        self._taken[device] += size
        self._own[device] += size
        self._most[device] = max(self._most[device], self._own[device])


def _least(part: Part) -> int:
    return part.after if part.least is None else part.least


def _sums(models: Iterable[list[Part]]) -> Counter[str]:
    """By device, what they take before."""
    sums = Counter[str]()
    for part in (each for parts in models for each in parts):
        sums[part.device] += part.before
    return sums


def _wanted(models: Iterable[list[Part]]) -> Counter[str]:
    """By device, with what they can do after."""
    sums = Counter[str]()
    for part in (each for parts in models for each in parts):
        sums[part.device] += _least(part)
    return sums
