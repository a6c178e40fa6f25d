"""One response in the making that is kept. It belongs to no connection: whoever reads it follows.

Every event is in the journal before anybody sees it, with the tokens that it was made of. So the
next worker can go on with a response whose worker has died: it tells it again from the tokens,
leaves out what is in the journal already, and nobody can tell where one ended and the other began.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import msgspec
import structlog
from falcon.asgi import SSEvent

from serve_daemon.gateway.answers.completion import Completion
from serve_daemon.gateway.common.batches import Batch
from serve_daemon.gateway.common.errors import ApiError, as_api_error, failed
from serve_daemon.gateway.common.identifiers import drawn_from, source_of
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.kept.closing import closed
from serve_daemon.gateway.kept.errors import store_unavailable
from serve_daemon.gateway.kept.kept import Extent, Kept
from serve_daemon.gateway.kept.readers import Readers
from serve_daemon.gateway.kept.retelling import News, Retelling, ToldOtherwise
from serve_daemon.gateway.store.errors import NotOurs, StoreUnavailable
from serve_daemon.gateway.store.journal import Entry, pack
from serve_daemon.gateway.store.making import End
from serve_daemon.gateway.store.ownership import NOBODY
from serve_daemon.gateway.store.writer import Outcome

log = structlog.get_logger()


class Run:
    """Makes one response."""

    def __init__(self, completion: Completion, answer: ResponseAnswer, kept: Kept) -> None:
        self.number = kept.number
        self.id = answer.id
        self.is_background = kept.record.is_background or kept.is_taken_over  # nobody's connection
        self.exchange = completion.exchange
        self.is_left = False  # another worker goes on with it
        self.error: ApiError | None = None  # what it has failed with
        self.readers = Readers(kept.told.num_events, self._older)
        self._completion = completion
        self._answer = answer
        self._kept = kept
        self._store = kept.store
        self._record = kept.record
        self._extent = Extent.ALL
        self._retelling = Retelling(kept.told)
        self._has_begun = False
        self._is_ending = False
        self._task: asyncio.Future[None] | None = None
        self._is_known = asyncio.Event()
        completion.record()

    def start(
        self, on_created: Callable[["Run"], object], on_end: Callable[["Run"], object]
    ) -> None:
        """Make it, in a task of its own."""
        self._on_created = on_created
        with drawn_from(source_of(self.id)):
            self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(lambda _task: on_end(self))

    def cancel(self) -> None:
        """End it as it is, for good."""
        if self._task is not None and not self._is_ending:
            self._is_ending = True
            self._task.cancel()

    def leave(self) -> None:
        """Let it be, for another worker to go on with."""
        self.is_left = True
        self.cancel()

    async def known(self) -> None:
        """Return when it is kept, so that it may be told of. Raises `ApiError` if that failed."""
        await self._is_known.wait()
        if not self.number and self.error is not None:
            raise self.error

    async def ended(self) -> None:
        """Return when it is over, or left."""
        if self._task is not None:
            await asyncio.wait({self._task})

    # ------------------------------------------------------------ making

    async def _run(self) -> None:
        try:
            await self._make_and_keep()
        finally:
            self._is_known.set()
            self.readers.end()

    async def _make_and_keep(self) -> None:
        end = self._answer.end
        try:
            await self._make()
        except asyncio.CancelledError:
            if self.is_left or not self.number:  # else nobody has ever heard of it
                return
            end = self._answer.cancel
        except NotOurs:
            end = self._answer.cancel
        except StoreUnavailable as error:
            self.error = store_unavailable(error)
        except ToldOtherwise:
            self.error = failed("This version of the server can't go on with the response.")
        except Exception as error:  # noqa: BLE001 - it is told to whoever reads
            self.error = as_api_error(error, self.exchange.request_id)
        self._is_ending = True
        news, response = self._last(end)
        await self._finish(news, response)
        self.readers.add(news.events)
        self.readers.tell()

    async def _make(self) -> None:
        if self._record.is_background:
            await self._tell(self._answer.queue())
        async for pieces in self._completion.pieces():
            if self._completion.is_prepared and not self._has_begun:
                await self._begin()
            if pieces:
                await self._tell(self._answer.tell(pieces), self._completion.take_batches())
        if self._retelling.is_behind:
            raise ToldOtherwise

    async def _begin(self) -> None:
        """Keep what it takes to go on, before there is anything to go on from."""
        self._has_begun = True
        resumption = msgspec.msgpack.encode(self._completion.resumption)
        self._record = msgspec.structs.replace(self._record, resumption=resumption)
        events = list(self._answer.begin())
        if self.number and not self._kept.told.batches:
            await self._store.prepare(self.number, resumption, encode(self._answer.response))
        await self._tell(events)

    async def _tell(self, events: Iterable[SSEvent], batches: Sequence[Batch] = ()) -> None:
        news = self._news(events, batches)
        if not self.number and self._extent is Extent.ALL:
            await self._create(news.events)
        self.readers.add(news.events)
        if self._extent is not Extent.ALL or self._is_created_with(news):
            self.readers.tell()
        elif news.events:
            end = news.first + len(news.events)
            self._store.append(self._entry(news), partial(self._on_written, end))

    def _last(self, end: Callable[[], Iterable[SSEvent]]) -> tuple[News, bytes]:
        """The last events, and the response as it is with them."""
        error = self.error.body if self.error else None
        if self._retelling.is_behind:
            number = self._kept.told.num_events
            events, response = closed(self._record.response, number, error)
            return News(number, events, []), response
        last = end() if error is None else self._answer.fail(error)
        news = self._news(last, self._completion.take_batches())
        return news, encode(self._answer.response)

    def _news(self, events: Iterable[SSEvent], batches: Sequence[Batch]) -> News:
        return self._retelling.news([event.serialize() for event in events], batches)

    # ------------------------------------------------------------ keeping

    def _is_created_with(self, news: News) -> bool:
        """Whether these events are in the store since the response is."""
        return not self._kept.number and not news.first

    async def _create(self, events: Sequence[bytes], *, ended: int | None = None) -> None:
        """Keep it, with its first events, or go on without."""
        record = msgspec.structs.replace(
            self._record,
            response=encode(self._answer.response),
            owner=self._store.worker if ended is None else NOBODY,
            ended=ended,
        )
        told = b"".join(events).decode()
        creating = asyncio.ensure_future(self._store.create(record, told))
        try:
            self.number = await asyncio.shield(creating)
        except asyncio.CancelledError:
            self.number = await creating  # else it would be there, and nobody knew
            raise
        except StoreUnavailable as error:
            if self._kept.is_required and ended is None:
                raise
            self._keep_less(Extent.NONE, error)
        self._on_created(self)
        self._is_known.set()

    async def _finish(self, news: News, response: bytes) -> None:
        ids = [item.id for item in self._answer.response.output]
        end = End(response, int(time.time()), ids)
        try:
            if self._extent is Extent.ALL and self.number:
                await self._store.finish(self._entry(news), end)
            elif self._extent is Extent.ALL:
                await self._create(news.events, ended=end.ended)
            elif self._extent is Extent.END:
                await self._store.settle(self.number, end)
        except NotOurs:
            log.info("a response was deleted while it was made", response=self.id)
        except StoreUnavailable as error:
            self._keep_less(Extent.NONE, error)

    def _keep_less(self, extent: Extent, error: StoreUnavailable) -> None:
        if self._extent is not extent:
            self._extent = extent
            log.warning("a response can't be kept", response=self.id, error=str(error))

    def _entry(self, news: News) -> Entry:
        told = b"".join(news.events).decode()
        return Entry(self.number, news.first, told, pack(news.batches), self._store.worker)

    def _on_written(self, end: int, outcome: Outcome) -> None:
        if isinstance(outcome, NotOurs):  # it was cancelled or deleted, of which the store knows
            self.cancel()
            return
        if isinstance(outcome, StoreUnavailable) and self._extent is Extent.ALL:
            self._keep_less(Extent.END, outcome)
        self.readers.tell(end)

    async def _older(self, first: int) -> list[bytes]:
        return await self._store.events(self.number, first)
