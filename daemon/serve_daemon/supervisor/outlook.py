"""What the changes of a plan would take of memory, as things stand."""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest

from serve_daemon.config.load import Loaded
from serve_daemon.config.plan import Action, Change
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.forecast import Forecast, Part, forecast
from serve_daemon.supervisor.models import ModelUnit
from serve_daemon.supervisor.programs import EngineLaunch
from serve_daemon.supervisor.room import Room
from serve_daemon.supervisor.settings import engine_launches
from serve_daemon.supervisor.states import State
from serve_daemon.supervisor.unit import Unit

Expected = tuple[Forecast, str]


class Outlook:
    """Of the models that are to be as in `loaded`. It reads headers, and what is free."""

    def __init__(
        self,
        models: Mapping[str, ModelUnit],
        room: Room,
        loaded: Loaded,
        own_limit: Callable[[Model], int],
    ) -> None:
        self._models = models
        self._room = room
        self._loaded = loaded
        self._own_limit = own_limit

    def of(self, changes: list[Change]) -> dict[str, Expected]:
        """By subject, what the change of a model takes, and why it can't be done, or ""."""
        parts = {each.subject: list(self._parts(_name(each.subject), each)) for each in changes}
        devices = {part.device for model in parts.values() for part in model}
        limit = int(self._loaded.config.engine.memory_limit)
        capacities = {each: self._room.capacity(each, limit) for each in devices}
        found = forecast(parts, capacities)
        return {
            each.subject: (found[each.subject], self._why_not(each, found[each.subject]))
            for each in changes
        }

    def _parts(self, name: str, change: Change) -> Iterator[Part]:
        units = self._models[name].unit.units if name in self._models else []
        launches = self._launches(name)
        is_to_run = self._is_to_run(name, change)
        for unit, launch in zip_longest(units, launches):
            yield from self._part(unit, launch if is_to_run else None)

    def _launches(self, name: str) -> tuple[EngineLaunch, ...]:
        settings = self._loaded.models.get(name)
        return engine_launches(name, settings, self._loaded.config) if settings else ()

    def _is_to_run(self, name: str, change: Change) -> bool:
        """Whether it has engines once the change is done."""
        match change.action:
            case Action.STOP:
                return False
            case Action.START:
                return self._loaded.models[name].preload
        model = self._models[name]
        is_woken = self._loaded.models[name].preload and not model.settings.preload
        if change.action is Action.KEEP:
            return model.unit.state not in (State.STOPPED, State.ASLEEP, State.FAILED)
        return is_woken or model.unit.state is not State.ASLEEP

    def _part(self, unit: Unit | None, launch: EngineLaunch | None) -> Iterator[Part]:
        """What becomes of one replica."""
        need = self._room.need(launch) if launch is not None else None
        held = self._room.expected_of(unit) if unit is not None else None
        if held is not None and unit is not None and unit.spec == launch:
            yield Part(held[0], held[1], held[1])
            return
        device = need.device if need is not None else None
        if held is not None and held[0] != device:
            yield Part(*held, after=0)
            held = None
        if need is not None:
            before = held[1] if held is not None else 0
            total, least = need.estimate.total, need.least
            yield Part(need.device, before, total, is_replaced=True, least=least)

    def _why_not(self, change: Change, found: Forecast) -> str:
        name, lack, message = _name(change.subject), found.lack, ""
        if lack is not None:
            message = self._room.refusal(self._launches(name)[0], lack.room, lack.others)
        elif change.action in (Action.START, Action.REPLACE):
            own_limit = self._own_limit(self._loaded.models[name])
            message = self._room.exceeds(self._launches(name)[0], own_limit)
        return f"no-room: {message}" if message else ""


def _name(subject: str) -> str:
    """Of "models.NAME"."""
    return subject.partition(".")[2]
