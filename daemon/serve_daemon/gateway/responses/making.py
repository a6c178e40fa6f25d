"""How a request for a response is answered: kept or not, in the background or not, as it comes."""

from collections.abc import AsyncIterator

from falcon.asgi import SSEvent

from serve_daemon.api.responses import ResponsesRequest
from serve_daemon.gateway.answers.completion import Completion, Models
from serve_daemon.gateway.answers.reply import stream, whole
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.http.frames import encode
from serve_daemon.gateway.items.events import ResponseAnswer
from serve_daemon.gateway.items.history import History
from serve_daemon.gateway.kept.background import background_exchange
from serve_daemon.gateway.kept.keeping import Keeping, Wish
from serve_daemon.gateway.kept.kept import Kept
from serve_daemon.gateway.kept.reading_along import Place, along, in_foreground
from serve_daemon.gateway.kept.run import Run
from serve_daemon.gateway.kept.runs import Runs
from serve_daemon.gateway.responses.making_ready import made_ready


class MakingResponses:
    """For every transport; `runs` is None where nothing can be kept."""

    def __init__(
        self, models: Models, history: History, keeping: Keeping, runs: Runs | None
    ) -> None:
        self.history = history
        self._models = models
        self._keeping = keeping
        self._runs = runs

    async def prepared(self, wanted: ResponsesRequest) -> Wish:
        """The request with all that it goes on from. Raises `ApiError` or `InvalidRequest`."""
        return self.decided(await self.history.complete(wanted))

    def decided(self, request: ResponsesRequest) -> Wish:
        """What becomes of a request that has all that it goes on from. Raises `ApiError`."""
        return self._keeping.decided(request)

    def ready(self, wish: Wish, exchange: Exchange) -> AsyncIterator[SSEvent]:
        """The events of a response without an answer, to be gone on from. Raises `ApiError`."""
        return made_ready(wish, exchange, self._models, self._keeping)

    async def whole(self, wish: Wish, exchange: Exchange) -> bytes:
        """The response object. Raises `ApiError`."""
        if wish.request.background and self._runs is not None:
            _, answer = await self._begin_in_background(self._runs, wish, exchange)
            return encode(answer.response)
        completion = Completion(wish.request, exchange, self._models)
        answer = ResponseAnswer(wish.request, completion)
        told = await whole(completion, answer)
        if wish.request.store:
            await self._keeping.keep(wish, exchange.body, answer)
        return told

    async def events(self, wish: Wish, exchange: Exchange) -> AsyncIterator[SSEvent]:
        """The stream, once it is known that there will be one. Raises `ApiError` before."""
        if wish.request.background and self._runs is not None:
            run, _ = await self._begin_in_background(self._runs, wish, exchange)
            return along(self._runs, Place(run.number, run.id), exchange)
        completion = Completion(wish.request, exchange, self._models)
        answer = ResponseAnswer(wish.request, completion)
        await completion.begin()
        if not wish.request.store or self._runs is None:
            return stream(completion, answer, exchange)
        run = self._runs.begin(completion, answer, self._kept(self._runs, wish, exchange, answer))
        exchange.on_end(run.cancel)  # whatever ends it
        return in_foreground(run, exchange)

    async def _begin_in_background(
        self, runs: Runs, wish: Wish, exchange: Exchange
    ) -> tuple[Run, ResponseAnswer]:
        """Have it made by nobody's connection, once it is kept. Raises `ApiError`."""
        own = background_exchange(exchange.request_id, exchange.host)
        completion = Completion(wish.request, own, self._models)
        answer = ResponseAnswer(wish.request, completion)
        try:
            await completion.begin(hold_seconds=0.0)  # it may wait for its turn without a client
        except Exception:
            completion.end()
            raise
        run = runs.begin(completion, answer, self._kept(runs, wish, exchange, answer))
        await run.known()
        return run, answer

    def _kept(self, runs: Runs, wish: Wish, exchange: Exchange, answer: ResponseAnswer) -> Kept:
        record = self._keeping.record(wish.request, exchange.body, answer)
        return Kept(runs.store, record, is_required=wish.insists)
