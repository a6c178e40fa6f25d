"""Which request has ended an engine: every standing, every event, every legal step.

Whoever was held by an engine that crashed is suspect. Suspects are tried one at a time, each on an
engine that begins nothing else meanwhile: a token clears, a crash has its culprit. One crash may be
another gateway's, which has a trial on the same engine; the second is not.
"""

from collections import OrderedDict
from collections.abc import Hashable
from enum import StrEnum, auto

REMEMBERED_CRASHES = 64  # longer than any request takes to hear of the one that it was in


class Standing(StrEnum):
    CLEAR = auto()
    SUSPECT = auto()
    ON_TRIAL = auto()
    ACCUSED = auto()  # an engine crashed with it on trial, once
    ON_LAST_TRIAL = auto()
    GUILTY = auto()


class Event(StrEnum):
    BEGUN = auto()  # it goes to an engine
    PROGRESSED = auto()  # that has made a token of it
    LOST = auto()  # that went away, not by its own making or by another's
    CRASHED = auto()  # that crashed or hung


STEPS: dict[Standing, dict[Event, Standing]] = {
    Standing.CLEAR: {
        Event.BEGUN: Standing.CLEAR,
        Event.PROGRESSED: Standing.CLEAR,
        Event.LOST: Standing.CLEAR,
        Event.CRASHED: Standing.SUSPECT,
    },
    Standing.SUSPECT: {Event.BEGUN: Standing.ON_TRIAL},
    Standing.ON_TRIAL: {
        Event.PROGRESSED: Standing.CLEAR,
        Event.LOST: Standing.SUSPECT,
        Event.CRASHED: Standing.ACCUSED,
    },
    Standing.ACCUSED: {Event.BEGUN: Standing.ON_LAST_TRIAL},
    Standing.ON_LAST_TRIAL: {
        Event.PROGRESSED: Standing.CLEAR,
        Event.LOST: Standing.ACCUSED,
        Event.CRASHED: Standing.GUILTY,
    },
    Standing.GUILTY: {},
}


class Suspects:
    """The requests of one model, as far as they are not clear."""

    def __init__(self) -> None:
        self._standings: dict[Hashable, Standing] = {}
        self._trial: tuple[Hashable, str] | None = None
        self._explained: OrderedDict[str, None] = OrderedDict()  # engines that crashed in a trial

    def standing(self, request: Hashable) -> Standing:
        return self._standings.get(request, Standing.CLEAR)

    def may_begin(self, request: Hashable, engine_id: str) -> bool:
        """Whether the request may go to the engine now."""
        if self._trial is None:
            return True
        return self.standing(request) is Standing.CLEAR and self._trial[1] != engine_id

    def begin(self, request: Hashable, engine_id: str) -> None:
        """It goes there; if it is suspect, its trial begins."""
        if self._step(request, Event.BEGUN) is not Standing.CLEAR:
            self._trial = (request, engine_id)

    def progress(self, request: Hashable) -> bool:
        """A token has come of it. True if that ends its trial."""
        if request not in self._standings:
            return False
        self._step(request, Event.PROGRESSED)
        return self._end_trial(request)

    def lose(self, request: Hashable, engine_id: str, *, crashed: bool) -> Standing:
        """It is at its engine no more, because that `crashed` or for any other reason."""
        is_tried = self._trial == (request, engine_id)
        if is_tried and crashed:
            self._explain(engine_id)
        is_its_making = crashed and (is_tried or not self._is_explained(engine_id))
        standing = self._step(request, Event.CRASHED if is_its_making else Event.LOST)
        self._end_trial(request)
        return standing

    def leave(self, request: Hashable) -> bool:
        """It is over. True if that ends its trial."""
        self._standings.pop(request, None)
        return self._end_trial(request)

    def _end_trial(self, request: Hashable) -> bool:
        if self._trial is None or self._trial[0] is not request:
            return False
        self._trial = None
        return True

    def _explain(self, engine_id: str) -> None:
        self._explained[engine_id] = None
        if len(self._explained) > REMEMBERED_CRASHES:
            self._explained.popitem(last=False)

    def _is_explained(self, engine_id: str) -> bool:
        """Whether another request was on trial there when it crashed."""
        is_court = self._trial is not None and self._trial[1] == engine_id
        return is_court or engine_id in self._explained

    def _step(self, request: Hashable, event: Event) -> Standing:
        standing = STEPS[self.standing(request)][event]
        if standing is Standing.CLEAR:
            self._standings.pop(request, None)
        else:
            self._standings[request] = standing
        return standing
