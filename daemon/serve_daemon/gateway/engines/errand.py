"""The way of one order from engine to engine, until it is done.

When an engine goes away, the next one is given what is left to do. What has come so far is for the
kind of order to keep.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from serve_daemon.gateway.common.errors import engine_failed, failed
from serve_daemon.gateway.engines.connections import Engine, EngineLost, Sequence
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.engines.suspects import Standing
from serve_daemon.gateway.engines.turns import Turn
from serve_daemon.gateway.engines.waiting import IDLE_SECONDS, wait_for
from serve_daemon.wire.messages import EngineReady, Finish, Order, Output

T = TypeVar("T")
Fits = Callable[[Engine], Awaitable[bool]]  # whether its tokens mean what the order's mean
LAST_TRIAL_SECONDS = 1.0  # for each gateway; many times what a first token takes
MAX_FAILURES = 3  # refusals and broken connections in a row, with nothing done in between


class OtherModel(Exception):  # noqa: N818 - it names what happened
    """The model's name stands for another model now, whose tokens mean something else."""


class Errand(ABC, Generic[T]):
    """One order; a `T` is what engines make of it bit by bit."""

    def __init__(
        self, request_id: str, model: str, turn: Turn, table: RoutingTable, fits: Fits
    ) -> None:
        self.finish: Finish | None = None
        self._request_id = request_id
        self._model = model
        self._turn = turn
        self._table = table
        self._fits = fits
        self._dispatch = table.dispatch(model)
        self._fitting: set[str] = set()  # artefacts whose tokens mean what the order's mean
        self._unfit: set[str] = set()  # those whose tokens mean something else
        self._let_alone_at = ""  # the engine that a last trial may begin on
        self._failures = 0
        self._refused_by: set[str] = set()
        self._is_refused = False  # since the last attempt
        self._sequence: Sequence | None = None

    # ------------------------------------------------------------ what the kind of order knows

    @abstractmethod
    def _rest(self) -> Order:
        """What is still to be done."""

    @abstractmethod
    def _absorb(self, outputs: list[Output]) -> list[T]:
        """Keep what has come; what of it is new."""

    @abstractmethod
    def _has_room(self, ready: EngineReady) -> bool:
        """Whether what is to be done fits into the engine's context."""

    def _known(self) -> Iterable[list[T]]:
        """What is there before any engine is asked, to be told first."""
        return ()

    @property
    def _tokens(self) -> list[int]:
        """All that an engine has computed when it is done; none where that is of no further use."""
        return []

    def _refuse_to_go_on(self, ready: list[Engine]) -> None:
        """Raise `ApiError` where another model, or a smaller context, is no way out."""

    def _end_if_complete(self) -> None:
        """See the end that an engine had no more time to tell."""

    # ------------------------------------------------------------ the way

    def close(self) -> None:
        """Free the sequence in the engine that works on it, if one does, and make way."""
        self._leave_engine()
        self._dispatch.leave(self)

    def _leave_engine(self) -> None:
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None

    async def batches(self) -> AsyncIterator[list[T]]:
        """What is new, as it comes; an empty list every second in which nothing came.

        Raises `ApiError` when the request can't be finished, `OtherModel` when the next engine
        has another tokenizer.
        """
        try:
            for new in self._known():
                yield new
            while self.finish is None:
                async for engine in wait_for(self._table, self._model, self._turn, self._choose):
                    if engine is None:
                        yield []
                    elif await self._is_fit(engine):
                        async for new in self._run(engine):
                            yield new
                self._end_if_complete()
        finally:
            self.close()

    def _choose(self) -> Engine | None:
        """The engine to go to now. Raises as `batches` does."""
        ready = self._table.ready_engines(self._model)
        able = [each for each in ready if self._can_go_on_at(each)]
        if ready and not able:
            self._refuse_to_go_on(ready)
            raise OtherModel
        if self._is_refused and self._refused_by.issuperset(each.engine_id for each in able):
            self._is_refused = False  # by all: once more when something has changed
            return None
        if not self._turn.has_come():
            return None
        return self._dispatch.choose(able, self, self._tokens, self._refused_by)

    def _can_go_on_at(self, engine: Engine) -> bool:
        ready = engine.address.ready
        return ready.artefacts not in self._unfit and self._has_room(ready)

    async def _is_fit(self, engine: Engine) -> bool:
        """Whether the sequence can be given to the engine now; False where that took a while."""
        artefacts = engine.address.ready.artefacts
        if artefacts not in self._fitting:
            fits = await self._fits(engine)
            (self._fitting if fits else self._unfit).add(artefacts)
            return False
        return await self._is_let_alone(engine)

    async def _is_let_alone(self, engine: Engine) -> bool:
        """Whether its last trial may begin there now, which other gateways' should not run into.

        They have theirs as soon as the engine is there, too; so each is at a time of its own.
        """
        workers = self._table.num_workers
        is_last = self._dispatch.standing(self) is Standing.ACCUSED
        if workers == 1 or not is_last or self._let_alone_at == engine.engine_id:
            return True
        self._let_alone_at = engine.engine_id
        await asyncio.sleep(random.uniform(0, workers * LAST_TRIAL_SECONDS))  # noqa: S311
        return False

    async def _run(self, engine: Engine) -> AsyncIterator[list[T]]:
        self._dispatch.begin(self, engine.engine_id, self._tokens)
        self._turn.begin()
        try:
            self._sequence = engine.submit(self._rest(), self._turn.rest)
            while self.finish is None:
                outputs = await self._sequence.take(IDLE_SECONDS)
                if self._is_refused_in(outputs, engine):
                    return
                yield self._receive(outputs)
        except EngineLost:
            await self._lose(engine)
        finally:
            self._leave_engine()
            if self.finish is None:
                self._turn.again()
            self._dispatch.remember(engine.engine_id, self._tokens)

    def _receive(self, outputs: list[Output]) -> list[T]:
        new = self._absorb(outputs)
        if outputs:
            self.finish = outputs[-1].finish
        if new:
            self._failures = 0
            self._dispatch.progress(self)
        return new

    # ------------------------------------------------------------ what goes wrong

    def _is_refused_in(self, outputs: list[Output], engine: Engine) -> bool:
        """Whether the engine won't do it. Raises `ApiError` where it could not."""
        for output in outputs:
            if output.finish is Finish.REFUSED:
                self._refuse(engine, output.error)
                return True
            if output.finish is Finish.ERROR:
                raise failed(f"The engine failed on this request: {output.error}.")
        return False

    def _refuse(self, engine: Engine, reason: str) -> None:
        self._refused_by.add(engine.engine_id)
        self._is_refused = True
        self._dispatch.lose(self, engine.engine_id, crashed=False)
        self._count_failure(f"The engine refused the request: {reason}.")

    async def _lose(self, engine: Engine) -> None:
        """Find out why, and whether it was over this request."""
        verdict = await self._table.verdicts.of(engine.engine_id)
        crashed = verdict is not None and verdict.is_own_making
        standing = self._dispatch.lose(self, engine.engine_id, crashed=crashed)
        if verdict is None and self._table.has_engine(engine):  # it lives: the connection broke
            self._count_failure("The connection to the engine of the model broke.")
        if verdict is not None and standing is Standing.GUILTY:
            self._table.convict(engine, self._request_id)
            raise engine_failed(
                "This request ended the engine of the model twice while it was tried apart from"
                f" others, and is not tried again; the engine's end: {verdict.reason}."
            )

    def _count_failure(self, message: str) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise failed(f"{message} It was tried {self._failures} times.")
