"""Who of the requests for a model goes to its engines next: fair among clients, bounded. Pure.

A client is called while it has fewer requests at work than the others that wait, and by turns where
that is equal; so those that wait share the engines evenly, however many requests each of them has
and however long its answers are. Who lost its engine goes before all that have not begun.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto


class Phase(StrEnum):
    WAITING = auto()  # until it is called
    CALLED = auto()  # on its way to an engine
    AT_WORK = auto()  # there
    AT_REST = auto()  # its engine is done with it
    PUSHED_OUT = auto()  # refused after all, for another client's sake
    GONE = auto()


@dataclass(eq=False, slots=True)
class Place:
    """One open request."""

    client: str
    phase: Phase = Phase.WAITING
    is_promised: bool = False  # its client was told that there will be an answer


@dataclass(eq=False, slots=True)
class Client:
    open: int = 0
    busy: int = 0  # called or at work
    waiting: dict[Place, None] = field(default_factory=dict)  # the oldest first


class FairQueue:
    """All open requests for one model."""

    def __init__(self) -> None:
        self._open: set[Place] = set()
        self._clients: dict[str, Client] = {}
        self._ring: dict[str, Client] = {}  # those with requests that wait; called last, last
        self._returned: dict[Place, None] = {}
        self._num_called = 0
        self.num_waiting = 0

    def __len__(self) -> int:
        return len(self._open)

    def join(self, client: str, limit: int) -> tuple[Place | None, Place | None]:
        """The place of one more request, and the place that was pushed out for it.

        No place where `limit` are open, unless another client has more of them than this one would
        have; then its newest goes that waits and has no promise.
        """
        pushed_out = None
        if len(self._open) >= limit:
            pushed_out = self._pushed_out_for(client)
            if pushed_out is None:
                return None, None
            self._leave(pushed_out, Phase.PUSHED_OUT)
        place = Place(client)
        self._open.add(place)
        self._clients.setdefault(client, Client()).open += 1
        self._wait(place)
        return place, pushed_out

    def call(self, room: int) -> list[Place]:
        """Those that may go now, where engines have room for so many."""
        called: list[Place] = []
        while self.num_waiting and self._num_called < room:
            called.append(self._call_next())
        return called

    def begin(self, place: Place) -> None:
        """It is at an engine."""
        if place.phase is Phase.CALLED:
            place.phase = Phase.AT_WORK
            self._num_called -= 1

    def rest(self, place: Place) -> None:
        """Its engine is done with it."""
        if place.phase is Phase.AT_WORK:
            place.phase = Phase.AT_REST
            self._clients[place.client].busy -= 1

    def again(self, place: Place) -> None:
        """It was at an engine, and needs one again."""
        self.rest(place)
        if place.phase is Phase.AT_REST:
            place.phase = Phase.WAITING
            self._returned[place] = None
            self.num_waiting += 1

    def leave(self, place: Place) -> None:
        """It is over, whatever it was; again is no error."""
        if place in self._open:
            self._leave(place, Phase.GONE)

    # ------------------------------------------------

    def _wait(self, place: Place) -> None:
        client = self._clients[place.client]
        client.waiting[place] = None
        self._ring.setdefault(place.client, client)
        self.num_waiting += 1

    def _call_next(self) -> Place:
        place = next(iter(self._returned), None)
        if place is None:
            name = min(self._ring, key=lambda each: self._ring[each].busy)
            place = next(iter(self._ring[name].waiting))
        self._stop_waiting(place)
        if (client := self._ring.pop(place.client, None)) is not None:
            self._ring[place.client] = client  # behind the others
        place.phase = Phase.CALLED
        self._num_called += 1
        self._clients[place.client].busy += 1
        return place

    def _stop_waiting(self, place: Place) -> None:
        self.num_waiting -= 1
        client = self._clients[place.client]
        if place in self._returned:
            del self._returned[place]
        else:
            del client.waiting[place]
        if not client.waiting:
            self._ring.pop(place.client, None)

    def _pushed_out_for(self, name: str) -> Place | None:
        own = self._clients[name].open if name in self._clients else 0
        for client in sorted(self._ring.values(), key=lambda each: -each.open):
            if client.open <= own + 1:
                return None
            for place in reversed(client.waiting):
                if not place.is_promised:
                    return place
        return None

    def _leave(self, place: Place, phase: Phase) -> None:
        client = self._clients[place.client]
        match place.phase:
            case Phase.WAITING:
                self._stop_waiting(place)
            case Phase.CALLED:
                self._num_called -= 1
                client.busy -= 1
            case Phase.AT_WORK:
                client.busy -= 1
        place.phase = phase
        self._open.discard(place)
        client.open -= 1
        if not client.open:
            del self._clients[place.client]
