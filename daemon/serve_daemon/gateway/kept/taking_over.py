"""What this worker does with responses that a dead one has left, and with those nobody wants."""

import time

import msgspec
import structlog

from serve_daemon.api.errors import InvalidRequest
from serve_daemon.api.responses import read_responses_request
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.common.asking import Asker, asking
from serve_daemon.gateway.common.batches import Begun, Resumption
from serve_daemon.gateway.common.errors import ApiError, as_api_error
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.items.history import History
from serve_daemon.gateway.kept.background import background_exchange
from serve_daemon.gateway.kept.closing import closed
from serve_daemon.gateway.kept.kept import Kept
from serve_daemon.gateway.kept.runs import Runs
from serve_daemon.gateway.store.errors import NotOurs
from serve_daemon.gateway.store.journal import Entry, Told, pack
from serve_daemon.gateway.store.making import End, Unfinished
from serve_daemon.gateway.store.records import NewRecord, Record

log = structlog.get_logger()

TOO_MANY = 429


class TakingOver:
    """Has `runs` go on with what was left."""

    def __init__(self, runs: Runs, models: Models, history: History) -> None:
        self._runs = runs
        self._store = runs.store
        self._models = models
        self._history = history

    async def look(self) -> None:
        """See to everything that is in the making. Raises `StoreUnavailable`."""
        for each in await self._store.unfinished():
            if each.owner == self._store.worker:
                if each.is_unwanted:
                    self._runs.cancel(each.number)
            elif not self._store.is_alive(each.owner):
                await self._take_over(each)

    async def _take_over(self, left: Unfinished) -> None:
        try:
            await self._store.take(left.number, left.owner)
        except NotOurs:
            return  # another worker was faster
        record = await self._store.find(left.id)
        if record is None:
            return  # it has been deleted since
        told = await self._store.told(left.number)
        log.info("a response is taken over", response=left.id, events=told.num_events)
        if left.is_unwanted:
            await self._close(record, told, None)
            return
        with asking(Asker(record.key)):
            exchange = background_exchange(left.id)
            with structlog.contextvars.bound_contextvars(**exchange.identity):
                await self._go_on_or_close(record, told, exchange)

    async def _go_on_or_close(self, record: Record, told: Told, exchange: Exchange) -> None:
        try:
            await self._go_on(record, told, exchange)
        except (ApiError, InvalidRequest) as error:
            problem = as_api_error(error, exchange.request_id)
            if problem.status == TOO_MANY:  # there will be room
                await self._store.release([record.number])
            else:
                await self._close(record, told, problem)

    async def _go_on(self, record: Record, told: Told, exchange: Exchange) -> None:
        wanted = await self._history.complete(read_responses_request(record.request))
        wanted = msgspec.structs.replace(wanted, store=True)
        completion = Completion(wanted, exchange, self._models)
        if record.resumption is not None:
            resumption = msgspec.msgpack.decode(record.resumption, type=Resumption)
            completion.go_on_from(Begun(resumption, told.batches))
        completion.promise()
        answer = ResponseAnswer(
            wanted, completion, response_id=record.id, created_at=record.created
        )
        kept = Kept(
            self._store,
            as_new(record),
            is_required=True,
            number=record.number,
            told=told,
            is_taken_over=True,
        )
        self._runs.begin(completion, answer, kept)

    async def _close(self, record: Record, told: Told, problem: ApiError | None) -> None:
        """End a response with which nobody can go on, or shall."""
        error = None if problem is None else problem.body
        events, response = closed(record.response, told.num_events, error)
        text = b"".join(events).decode()
        entry = Entry(record.number, told.num_events, text, pack([]), self._store.worker)
        await self._store.finish(entry, End(response, int(time.time()), []))


def as_new(record: Record) -> NewRecord:
    """A response that is there already, as it was when it was not."""
    shared = set(NewRecord.__struct_fields__) & set(Record.__struct_fields__)
    return NewRecord(expires=0, **{name: getattr(record, name) for name in shared})
