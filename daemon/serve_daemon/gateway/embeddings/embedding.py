"""A request for embeddings, from its admission to its vectors; it outlives engines."""

from msgspec import Struct

from serve_daemon.api.embeddings import EmbeddingRequest
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.embeddings import texts, vectors
from serve_daemon.gateway.embeddings.texts import Texts
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.errand import Errand, Fits, OtherModel
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.engines.turns import Turn
from serve_daemon.gateway.engines.waiting import wait_for_engine
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.wire.messages import Embed, EngineReady, Output
from serve_daemon.wire.metrics import Outcome


class Vectors(Struct, frozen=True):
    """What is made of a request."""

    rows: list[bytes]  # float32, little-endian, of each text in its order
    num_tokens: int


class EmbeddingRun:
    """One request and its vectors."""

    def __init__(self, request: EmbeddingRequest, exchange: Exchange, models: Models) -> None:
        route, turn = models.table.admit(request.model, exchange.client)
        exchange.model = route.model
        exchange.on_end(turn.end)
        self._request = request
        self._exchange = exchange
        self._models = models
        self._model = route.model
        self._turn = turn

    async def vectors(self) -> Vectors:
        """All of them, made by one and the same model. Raises `ApiError`."""
        with self._turn.tally.judging():
            made = await self._made()
        self._turn.tally.prompt(made.num_tokens, cached=0)
        self._turn.tally.finish(Outcome.STOP)
        return made

    async def _made(self) -> Vectors:
        while True:
            prepared = await texts.read(
                self._request, await self._engine(), self._models.prompts.texts
            )
            self._exchange.prompt_tokens = prepared.num_tokens
            try:
                return Vectors(await self._rows(prepared), prepared.num_tokens)
            except OtherModel:
                continue  # what there is of the former one is of no use beside its vectors

    async def _engine(self) -> Engine:
        found = wait_for_engine(self._models.table, self._model, self._turn)
        return [each async for each in found if each is not None][-1]

    async def _rows(self, prepared: Texts) -> list[bytes]:
        async def fits(engine: Engine) -> bool:
            return _is_same(engine.address.ready, prepared.ready)

        rows = [b""] * len(prepared.tokens)
        for part in prepared.parts():
            self._turn.again()  # if it had one for the part before
            order = Embed(0, self._exchange.request_id, part.texts)
            errand = PartErrand(order, self._model, self._turn, self._models.table, fits)
            made = [row async for new in errand.batches() for row in new]
            for place, row in zip(part.places, made, strict=True):
                rows[place] = row
        return rows


class PartErrand(Errand[bytes]):
    """Some texts of a request, and the vector of each."""

    def __init__(
        self, order: Embed, model: str, turn: Turn, table: RoutingTable, fits: Fits
    ) -> None:
        super().__init__(order.request_id, model, turn, table, fits)
        self._order = order

    def _rest(self) -> Embed:
        """All of it: vectors come at once, or not at all."""
        return self._order

    def _absorb(self, outputs: list[Output]) -> list[bytes]:
        count = len(self._order.texts)
        return [row for each in outputs for row in vectors.split(each.vectors, count)]

    def _has_room(self, ready: EngineReady) -> bool:
        return max(map(len, self._order.texts)) <= ready.max_context


def _is_same(ready: EngineReady, other: EngineReady) -> bool:
    """Whether both engines make the same vectors of the same tokens."""
    return (ready.kind, ready.artefacts, ready.dimensions) == (
        other.kind,
        other.artefacts,
        other.dimensions,
    )
