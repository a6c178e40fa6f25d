"""Whose turn it is at the engines of one model, and what becomes of those that must wait for it."""

import asyncio
from collections.abc import Callable, Iterable

from serve_daemon.gateway.common.bell import Bell
from serve_daemon.gateway.common.errors import pushed_out, queue_full
from serve_daemon.gateway.engines.affinity import Load
from serve_daemon.gateway.engines.fair_queue import FairQueue, Phase, Place
from serve_daemon.gateway.engines.turnover import Turnover
from serve_daemon.gateway.metrics.meter import Load as OpenRequests
from serve_daemon.gateway.metrics.meter import Meter
from serve_daemon.gateway.metrics.tally import Tally
from serve_daemon.wire.metrics import Outcome

# An engine has a little more than it computes at once, so that a slot which gets free is filled in
# the next step. Whatever is at an engine is past all fairness, so it is no more than that.
SPARE_SHARE = 8


class Turns:
    """The open requests for one model. What its engines have of them is told by `loads`."""

    def __init__(self, model: str, loads: Callable[[], Iterable[Load]], meter: Meter) -> None:
        self._model = model
        self._loads = loads
        self._meter = meter
        self._queue = FairQueue()
        self._turnover = Turnover()
        self._turns: dict[Place, Turn] = {}

    def join(self, client: str, limit: int) -> "Turn":
        """Queue for `client`, if fewer than `limit` requests are open or it has the fewer of them.

        Raises `ApiError` 429.
        """
        place, pushed = self._queue.join(client, limit)
        if pushed is not None:
            self._turns.pop(pushed).wake()
        if place is None:
            self._meter.end(Outcome.REFUSED)
            raise queue_full(self._model, limit, self.retry_after_seconds)
        turn = self._turns[place] = Turn(self, self._queue, place, Tally(self._meter))
        self.call()
        return turn

    @property
    def open_requests(self) -> OpenRequests:
        return len(self._queue), self._queue.num_waiting

    @property
    def retry_after_seconds(self) -> int:
        return self._turnover.retry_after_seconds(self._queue.num_waiting)

    def call(self) -> None:
        """Let those go for whom there is room now."""
        if not self._queue.num_waiting:
            return
        called = self._queue.call(sum(map(room, self._loads())))
        now = asyncio.get_running_loop().time()
        self._turnover.note(len(called), self._queue.num_waiting, now)
        for place in called:
            self._turns[place].wake()

    def wake(self) -> None:
        """Have all of them look again."""
        self.call()
        for turn in self._turns.values():
            turn.wake()

    def refuse(self) -> Exception:
        """What one is told that was pushed out."""
        return pushed_out(self._model, self.retry_after_seconds)

    def leave(self, place: Place) -> None:
        self._turns.pop(place, None)
        self._queue.leave(place)
        self.call()


class Turn:
    """One request's place among the others, from its admission to its end."""

    def __init__(self, turns: Turns, queue: FairQueue, place: Place, tally: Tally) -> None:
        self.tally = tally
        self._turns = turns
        self._queue = queue
        self._place = place
        self._bell: Bell | None = None  # while somebody waits

    def has_come(self) -> bool:
        """Whether it may go to an engine now. Raises `ApiError` 429 if it was pushed out."""
        if self._place.phase is Phase.PUSHED_OUT:
            raise self._turns.refuse()
        return self._place.phase is Phase.CALLED

    async def wait(self, seconds: float) -> None:
        """Return when the turn has come, anything else has changed, or after so long."""
        self._bell = self._bell or Bell()
        await self._bell.wait(seconds)

    def wake(self) -> None:
        if self._bell is not None:
            self._bell.ring()

    def promise(self) -> None:
        """Its client is told that there will be an answer: from here on it is not pushed out."""
        self._place.is_promised = True

    def begin(self) -> None:
        """It goes to an engine."""
        self._queue.begin(self._place)
        self.tally.reach_engine()

    def rest(self) -> None:
        """Its engine is done with it, and has room for another."""
        self._queue.rest(self._place)
        self._turns.call()

    def again(self) -> None:
        """It needs an engine once more, if it had one."""
        self._queue.again(self._place)
        self._turns.call()

    def end(self) -> None:
        """It is over; again is no error."""
        self.tally.end()
        self._turns.leave(self._place)


def room(load: Load) -> int:
    """How many more sequences the engine should have."""
    spare = max(1, load.slots // SPARE_SHARE)
    return max(0, load.slots + spare - load.sequences)
