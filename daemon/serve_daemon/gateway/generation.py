"""The life of one accepted request, which outlives the engines that work on it.

It holds the prompt and all output. When an engine goes away, what is there so far is given to the
next one, which goes on as the lost one would have.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
import structlog

from serve_daemon.gateway.batches import Batch
from serve_daemon.gateway import engines
from serve_daemon.gateway.engines import Engine, EngineLost
from serve_daemon.gateway.errors import engine_failed, failed
from serve_daemon.gateway.routes import RoutingTable
from serve_daemon.gateway.suspects import Standing
from serve_daemon.gateway.turns import Turn
from serve_daemon.gateway.waiting import IDLE_SECONDS, wait_for
from serve_daemon.wire.messages import Finish, Output, Submit
from serve_daemon.wire.sampling import Logprobs

log = structlog.get_logger()

Fits = Callable[[Engine], Awaitable[bool]]  # whether its tokens mean what the order's mean
LAST_TRIAL_SECONDS = 1.0  # for each gateway; many times what a first token takes
MAX_FAILURES = 3  # refusals and broken connections in a row, without a token in between


class OtherModel(Exception):  # noqa: N818 - it names what happened
    """The model's name stands for another model now, whose tokens mean something else."""


class Generation:
    """One sequence, from its prompt to its end."""

    def __init__(
        self, order: Submit, model: str, turn: Turn, table: RoutingTable, fits: Fits
    ) -> None:
        self.output: list[int] = []
        self.logprobs: list[tuple[int, Logprobs]] = []  # by token, if the order asks for them
        self.cached_tokens = 0
        self.finish: Finish | None = None
        self.taken: list[Batch] | None = None  # since it was last emptied, where that is wanted
        self._begun: Sequence[Batch] = ()
        self._order = order
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
        self._sequence: engines.Sequence | None = None

    @property
    def ends_with_stop_token(self) -> bool:
        return self.finish is Finish.STOP and self.output[-1] in self._order.stop_tokens

    def go_on_from(self, begun: Sequence[Batch]) -> None:
        """Begin with what an earlier gateway has had of the same order."""
        self._begun = begun

    def close(self) -> None:
        """Free the sequence in the engine that works on it, if one does, and make way."""
        self._leave_engine()
        self._dispatch.leave(self)

    def _leave_engine(self) -> None:
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None

    async def batches(self) -> AsyncIterator[list[int]]:
        """New tokens, as they come; an empty list every second in which none came.

        Raises `ApiError` when the request can't be finished, `OtherModel` when the next engine
        has another tokenizer.
        """
        try:
            for batch in self._begun:
                self._take(batch)
                yield batch.tokens
            self._end_if_complete()
            while self.finish is None:
                async for engine in wait_for(self._table, self._model, self._turn, self._choose):
                    if engine is None:
                        yield []
                    elif await self._is_fit(engine):
                        async for tokens in self._run(engine):
                            yield tokens
                self._end_if_complete()
        finally:
            self.close()

    def _choose(self) -> Engine | None:
        """The engine to go to now. Raises as `batches` does."""
        ready = self._table.ready_engines(self._model)
        able = [each for each in ready if self._can_go_on_at(each)]
        if ready and not able:
            self._give_up(ready)
        if self._is_refused and self._refused_by.issuperset(each.engine_id for each in able):
            self._is_refused = False  # by all: once more when something has changed
            return None
        if not self._turn.has_come():
            return None
        return self._dispatch.choose(able, self, self._tokens, self._refused_by)

    def _can_go_on_at(self, engine: Engine) -> bool:
        ready = engine.address.ready
        length = len(self._order.tokens) + len(self.output)
        return ready.artefacts not in self._unfit and length < ready.max_context

    def _give_up(self, ready: list[Engine]) -> None:
        """Say why none of these can go on: their tokens are others, or their contexts too small."""
        fit = [each for each in ready if each.address.ready.artefacts not in self._unfit]
        if not fit or not self.output:
            raise OtherModel  # a prompt that is too long is refused when it is prepared anew
        max_context = max(each.address.ready.max_context for each in fit)
        raise failed(
            f"The engine of the model was replaced by one with a context of {max_context} tokens;"
            f" this answer and its prompt have {len(self._tokens)} already."
        )

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

    async def _run(self, engine: Engine) -> AsyncIterator[list[int]]:
        self._dispatch.begin(self, engine.engine_id, self._tokens)
        self._turn.begin()
        try:
            self._sequence = engine.submit(self._rest(), self._turn.rest)
            while self.finish is None:
                outputs = await self._sequence.take(IDLE_SECONDS)
                tokens = self._absorb(outputs, engine)
                if tokens is None:
                    return
                yield tokens
        except EngineLost:
            await self._lose(engine)
        finally:
            self._leave_engine()
            if self.finish is None:
                self._turn.again()
            self._dispatch.remember(engine.engine_id, self._tokens)

    @property
    def _tokens(self) -> list[int]:
        return [*self._order.tokens, *self.output]

    def _rest(self) -> Submit:
        """What is still to be generated."""
        return msgspec.structs.replace(
            self._order,
            tokens=self._tokens,
            max_new_tokens=self._order.max_new_tokens - len(self.output),
            num_output=len(self.output),
        )

    def _absorb(self, outputs: list[Output], engine: Engine) -> list[int] | None:
        """The tokens of `outputs`, or None if the engine has refused the sequence."""
        new: list[int] = []
        logprobs: list[Logprobs] = []
        finish: Finish | None = None
        cached_tokens = 0
        for output in outputs:
            if output.finish is Finish.REFUSED:
                self._refuse(engine, output.error)
                return None
            if output.finish is Finish.ERROR:
                raise failed(f"The engine failed on this request: {output.error}.")
            cached_tokens = cached_tokens or output.cached_tokens
            new += output.tokens
            logprobs += output.logprobs
            finish = output.finish
        self._take(Batch(new, finish, cached_tokens, logprobs))
        if new:
            self._failures = 0
            self._dispatch.progress(self)
        return new

    def _take(self, batch: Batch) -> None:
        if not self.output:  # what a later engine finds is our own output, too
            self.cached_tokens = batch.cached_tokens
        self.output += batch.tokens
        self.logprobs += zip(batch.tokens, batch.logprobs, strict=False)
        self.finish = batch.finish
        if self.taken is not None and (batch.tokens or batch.finish):
            self.taken.append(batch)

    # ------------------------------------------------------------ what goes wrong

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
            self._table.convict(engine, self._order.request_id)
            raise engine_failed(
                "This request ended the engine of the model twice while it was tried apart from"
                f" others, and is not tried again; the engine's end: {verdict.reason}."
            )

    def _count_failure(self, message: str) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            raise failed(f"{message} It was tried {self._failures} times.")

    def _end_if_complete(self) -> None:
        """See the end that an engine had no more time to tell."""
        if self.finish is None and self.output:
            if self.output[-1] in self._order.stop_tokens:
                self.finish = Finish.STOP
            elif len(self.output) >= self._order.max_new_tokens:
                self.finish = Finish.LENGTH
