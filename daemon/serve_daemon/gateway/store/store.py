"""The store of responses, as the rest of the gateway sees it: nothing here waits in the loop."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from serve_daemon.gateway.store import journal, making, records
from serve_daemon.gateway.store.database import connect, data_version
from serve_daemon.gateway.store.errors import StoreUnavailable
from serve_daemon.gateway.store.housekeeping import shorten_log, tidy
from serve_daemon.gateway.store.journal import Entry, Told
from serve_daemon.gateway.store.making import End, Unfinished
from serve_daemon.gateway.store.ownership import Ownership
from serve_daemon.gateway.store.records import Link, NewRecord, Record
from serve_daemon.gateway.store.writer import Outcome, Writer

T = TypeVar("T")

LOCKS = "responses.lock"
CHAIN_BYTES = 8 * 1024 * 1024  # of a conversation that is gone on with


class Store:
    """One worker's way to the responses that are kept; all of it may raise `StoreUnavailable`."""

    def __init__(self, directory: Path, connections: "Connections", ownership: Ownership) -> None:
        self.worker = ownership.number
        self._directory = directory
        self._ownership = ownership
        self._reading = Reading(connections.reading)
        self._tidying = Reading(connections.tidying)
        self._writer = Writer(connections.writing)

    async def end(self) -> None:
        """Return when all is written."""
        await self._writer.end()
        self._ownership.end()

    # ------------------------------------------------------------ to look at

    async def find(self, response_id: str) -> Record | None:
        return await self._reading.do(lambda each: records.find(each, response_id))

    async def chain(self, newest: str) -> list[Link]:
        """The conversation that ends with this response, the oldest first; [] where it is unknown.

        Raises `ValueError` where it is too large to go on with.
        """
        return await self._reading.do(lambda each: records.chain(each, newest, CHAIN_BYTES))

    async def with_items(self, ids: Iterable[str], key: str) -> list[Link]:
        """The responses of this key that have these items, as far as there are any."""
        wanted = list(ids)
        return await self._reading.do(lambda each: records.with_items(each, wanted, key))

    async def is_ended(self, number: int) -> bool | None:
        """Whether a response is made; None where it is gone."""
        return await self._reading.do(lambda each: records.is_ended(each, number))

    async def events(self, number: int, first: int) -> list[bytes]:
        """Events of a response from this sequence_number on; not all at once."""
        return await self._reading.do(lambda each: journal.read(each, number, first))

    async def told(self, number: int) -> Told:
        """All that was told of a response."""
        return await self._reading.do(lambda each: journal.told(each, number))

    # ------------------------------------------------------------ to change

    async def create(self, new: NewRecord, told: str = "") -> int:
        """Keep a response, of which these events were told, from now on; returns its number."""
        return await self._writer.do(lambda each: records.create(each, new, told))

    async def delete(self, number: int) -> None:
        """Forget a response; one that is in the making is soon found to be gone."""
        await self._writer.do(lambda each: records.delete(each, [number]))

    async def request_end(self, number: int) -> None:
        """Have whoever makes the response see that it is not wanted any more."""
        await self._writer.do(lambda each: making.request_end(each, number))

    def append(self, entry: Entry, tell: Callable[[Outcome], None]) -> None:
        """Have events of a response in the making written, and `tell` when they are.

        Told is None, `NotOurs` or `StoreUnavailable`.
        """
        self._writer.append(entry, tell)

    async def prepare(self, number: int, resumption: bytes, response: bytes) -> None:
        """Keep what the next owner of a response would need, and that it is begun.

        Raises `NotOurs`.
        """
        await self._writer.do(
            lambda each: making.prepare(each, number, self.worker, resumption, response)
        )

    async def finish(self, last: Entry, end: End) -> None:
        """Append the last events of a response, and keep it as it is then. Raises `NotOurs`."""
        await self._writer.do(lambda each: making.finish(each, last, end))

    async def settle(self, number: int, end: End) -> None:
        """Keep a response as it is in the end, of which some events are not kept.

        Raises `NotOurs`.
        """
        await self._writer.do(lambda each: making.settle(each, number, self.worker, end))

    # ------------------------------------------------------------ to share with other workers

    async def unfinished(self) -> list[Unfinished]:
        """What is in the making, by whomever."""
        return await self._reading.do(making.unfinished)

    def is_alive(self, worker: int) -> bool:
        """Whether this worker, which may be nobody, is there."""
        return self._ownership.is_alive(worker)

    async def version(self) -> int:
        """Another number whenever anything was written, by whomever."""
        return await self._reading.do(data_version)

    async def take(self, number: int, owner: int) -> None:
        """Make a response that `owner` made. Raises `NotOurs` where another worker was first."""
        await self._writer.do(lambda each: making.take(each, number, owner, self.worker))

    async def release(self, numbers: Iterable[int]) -> None:
        """Leave these to whoever takes them."""
        released = list(numbers)
        await self._writer.do(lambda each: making.release(each, self.worker, released))

    async def tidy(self, now: int, max_bytes: int) -> None:
        """Remove what is too old or too much, and keep the log short."""
        while await self._tidying.do(lambda each: tidy(each, now, max_bytes)):
            pass
        await self._tidying.do(lambda each: shorten_log(each, self._directory))


class Reading:
    """A connection with a thread of its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, "store reader")

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise StoreUnavailable(f"the database of responses fails: {error}") from error


class Connections:
    """What a store needs, opened."""

    def __init__(self, directory: Path) -> None:
        """Raises `StoreUnavailable`."""
        self.writing = connect(directory)
        self.reading = connect(directory)
        self.tidying = connect(directory)


async def open_store(directory: Path) -> Store:
    """The store in this directory, made if need be. Raises `StoreUnavailable`."""
    loop = asyncio.get_running_loop()
    connections = await loop.run_in_executor(None, Connections, directory)
    try:
        ownership = Ownership(directory / LOCKS)
    except OSError as error:
        raise StoreUnavailable(f"{directory / LOCKS} can't be locked: {error}") from error
    return Store(directory, connections, ownership)
