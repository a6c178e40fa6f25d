"""All that keeps responses, joined: the store, what is made of it, the duties that it brings."""

import asyncio
import time

import structlog

from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.http.conditions import Conditions
from serve_daemon.gateway.items.history import History, NothingKept
from serve_daemon.gateway.kept.history import KeptHistory
from serve_daemon.gateway.kept.keeping import Keeping
from serve_daemon.gateway.kept.runs import Runs
from serve_daemon.gateway.kept.shelf import Shelf
from serve_daemon.gateway.kept.taking_over import TakingOver
from serve_daemon.gateway.responses.making import MakingResponses
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.store import Store

log = structlog.get_logger()

LOOK_EVERY_SECONDS = 1.0  # for what a dead worker has left, and what nobody wants any more
TIDY_EVERY_SECONDS = 10.0


class KeptResponses:
    """What endpoints and transports need."""

    def __init__(self, shelf: Shelf, models: Models, conditions: Conditions) -> None:
        self.shelf = shelf
        self.runs = None if shelf.store is None else Runs(shelf.store)
        self.history: History = KeptHistory(shelf)
        if shelf.is_unwanted:
            self.history = NothingKept()
        keeping = Keeping(shelf, conditions)
        self.making = MakingResponses(models, self.history, keeping, self.runs)
        self._models = models
        self._conditions = conditions

    @property
    def num_in_background(self) -> int:
        """Responses that are being made here for no connection."""
        return 0 if self.runs is None else self.runs.num_in_background

    async def take_over(self) -> None:
        """For ever, go on with what dead workers have left."""
        if self.runs is None:
            return
        taking_over = TakingOver(self.runs, self._models, self.history)
        while not self._conditions.leaving:
            try:
                await taking_over.look()
            except StoreUnavailable as error:
                log.warning("responses in the making can't be looked after", error=str(error))
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def tidy(self) -> None:
        """For ever, remove what is too old, or too much."""
        while self.shelf.store is not None:
            await self._tidy(self.shelf.store)
            await asyncio.sleep(TIDY_EVERY_SECONDS)

    async def _tidy(self, store: Store) -> None:
        try:
            await store.tidy(int(time.time()), self._conditions.settings.max_store_size)
        except StoreUnavailable as error:
            log.warning("old responses can't be removed", error=str(error))

    async def end(self) -> None:
        """Leave what is in the making to the next gateway, and return when all is written."""
        if self.runs is not None:
            await self.runs.leave()
            await self.runs.store.end()


def nothing_kept(models: Models, conditions: Conditions) -> KeptResponses:
    """Of a gateway that has no place for them."""
    return KeptResponses(Shelf(), models, conditions)
