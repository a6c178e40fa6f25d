"""Whose turn it is: who of the requests that wait for one model may go to its engines."""

import asyncio
from collections.abc import Callable


class Turn:
    """A request's place in the queue of its model, and once it `has_come`, its slot.

    The slot is kept until `end`, whichever engines the request stays at: what has begun never
    queues again.
    """

    def __init__(self, client: str, leave: Callable[["Turn"], None]) -> None:
        self.client = client
        self.has_come = False
        self._leave = leave
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Return when the turn has come, anything else has changed, or after so long."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def wake(self) -> None:
        """Have whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def come(self) -> None:
        self.has_come = True
        self.wake()

    def end(self) -> None:
        """Leave the queue, or give the slot back; again is no error."""
        self._leave(self)


class Turns:
    """The requests for one model that wait for their turn or have it."""

    def __init__(self) -> None:
        self._open: set[Turn] = set()

    def join(self, client: str) -> Turn:
        """Queue for `client`; every turn comes at once."""
        turn = Turn(client, self._open.discard)
        self._open.add(turn)
        turn.come()
        return turn

    def wake(self) -> None:
        for turn in self._open:
            turn.wake()
