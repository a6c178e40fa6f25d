"""The kept responses that this worker makes, and how they and all others are read along."""

from collections.abc import AsyncIterator

from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.engines.waiting import IDLE_SECONDS
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.kept.background import end_in_background
from serve_daemon.gateway.kept.errors import was_deleted
from serve_daemon.gateway.kept.kept import Kept
from serve_daemon.gateway.kept.run import Run
from serve_daemon.gateway.store.changes import Changes
from serve_daemon.gateway.store.store import Store


class Runs:
    """By their numbers in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._runs: dict[int, Run] = {}
        self._changes = Changes(store)

    @property
    def num_in_background(self) -> int:
        """How many are made for no connection."""
        return sum(run.is_background for run in self._runs.values())

    async def leave(self) -> None:
        """Let all be, for another worker to go on with."""
        runs = list(self._runs.values())
        for run in runs:
            run.leave()
        for run in runs:
            await run.ended()

    def cancel(self, number: int) -> None:
        """End a response for good, if it is made here."""
        if number in self._runs:
            self._runs[number].cancel()

    def begin(self, completion: Completion, answer: ResponseAnswer, kept: Kept) -> Run:
        """Make a response; in the background, where no connection is its own."""
        run = Run(completion, answer, kept)
        if kept.number:
            self._runs[kept.number] = run
        run.start(self._enter, self._forget)
        return run

    def _enter(self, run: Run) -> None:
        if run.number:
            self._runs[run.number] = run

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.number, None)
        if run.is_background:
            end_in_background(run)

    # ------------------------------------------------------------ reading

    async def follow(self, number: int, response_id: str, first: int) -> AsyncIterator[list[bytes]]:
        """Events of a response from this number on, as they come, whoever makes it, to the last.

        None of them every second in which none came. Raises `ApiError` where it is deleted
        meanwhile, and `StoreUnavailable`.
        """
        while True:
            run = self._maker(number)
            source = run.readers.follow(first) if run else self._read(number, response_id, first)
            async for events in source:
                first += len(events)
                yield events
            if not (run.is_left if run else self._maker(number)):
                return

    def _maker(self, number: int) -> Run | None:
        run = self._runs.get(number)
        return None if run is None or run.is_left else run

    async def _read(self, number: int, response_id: str, first: int) -> AsyncIterator[list[bytes]]:
        """Those of a response that is not made here; until it is."""
        while self._maker(number) is None:
            is_ended = await self.store.is_ended(number)
            events = await self.store.events(number, first)
            if events:
                first += len(events)
                yield events
            elif is_ended is None:
                raise was_deleted(response_id)
            elif is_ended:
                return
            else:
                await self._changes.wait(IDLE_SECONDS)
                yield []
