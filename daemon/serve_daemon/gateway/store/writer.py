"""The one thread of this process that writes: whatever has come meanwhile in one transaction."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from serve_daemon.gateway.store.errors import NotOurs, StoreUnavailable
from serve_daemon.gateway.store.journal import Entry, append

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], Any]
Outcome = Any  # what the work returns, or the exception that it raises


class Appending:
    """Events to be written, and who is to hear of it in the loop's thread."""

    __slots__ = ("entry", "outcome", "tell")

    def __init__(self, entry: Entry, tell: Callable[[Outcome], None]) -> None:
        self.entry = entry
        self.tell = tell
        self.outcome: Outcome = None


class Working:
    """Anything else, likewise."""

    __slots__ = ("outcome", "tell", "work")

    def __init__(self, work: Work, tell: Callable[[Outcome], None]) -> None:
        self.work = work
        self.tell = tell
        self.outcome: Outcome = None


Job = Appending | Working


class Writer:
    """Jobs are done in the order in which they come, but that events go before other work."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store writer", daemon=True)
        self._thread.start()

    def append(self, entry: Entry, tell: Callable[[Outcome], None]) -> None:
        """Have events written, then `tell` of it: None, `NotOurs` or `StoreUnavailable`."""
        self._queue.put(Appending(entry, tell))

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have this done in a transaction, which others may share.

        `work` may raise `NotOurs`, before it has changed anything. Raises that, or
        `StoreUnavailable` where the database fails.
        """
        done: asyncio.Future[T] = self._loop.create_future()

        def tell(outcome: Outcome) -> None:
            if done.cancelled():
                return
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)

        self._queue.put(Working(work, tell))
        return await done

    async def end(self) -> None:
        """Return when all is written; nothing may come after."""
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    # ------------------------------------------------------------ in its thread

    def _run(self) -> None:
        is_over = False
        while not is_over:
            taken = self._take()
            jobs = [job for job in taken if job is not None]
            is_over = len(jobs) < len(taken)
            self._write(jobs)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(_tell, jobs)

    def _take(self) -> list[Job | None]:
        taken = [self._queue.get()]
        while not self._queue.empty():
            taken.append(self._queue.get())
        return taken

    def _write(self, jobs: Sequence[Job]) -> None:
        try:
            self._transact(jobs)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            failure = StoreUnavailable(f"the database of responses fails: {error}")
            for job in jobs:
                job.outcome = failure

    def _transact(self, jobs: Sequence[Job]) -> None:
        events = [job for job in jobs if isinstance(job, Appending)]
        others = [job for job in jobs if isinstance(job, Working)]
        if others:  # else the one statement that appends is a transaction by itself
            self._connection.execute("BEGIN IMMEDIATE")
        if events:
            refused = append(self._connection, [job.entry for job in events])
            for job in events:
                job.outcome = NotOurs() if job.entry.response in refused else None
        for other in others:
            try:
                other.outcome = other.work(self._connection)
            except NotOurs as error:
                other.outcome = error
        if others:
            self._connection.execute("COMMIT")


def _tell(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.tell(job.outcome)
