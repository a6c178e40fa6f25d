"""The life of one accepted request, which outlives the engines that work on it.

It holds the prompt and all output. When an engine goes away, what is there so far is given to the
next one, which goes on as the lost one would have.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import structlog

from serve_daemon.gateway.engines import Engine, EngineLost, Sequence
from serve_daemon.gateway.errors import failed
from serve_daemon.gateway.routes import RoutingTable
from serve_daemon.gateway.waiting import IDLE_SECONDS, wait_for_turn
from serve_daemon.wire.messages import Finish, Output, Submit
from serve_daemon.wire.sampling import Logprobs

log = structlog.get_logger()

Fits = Callable[[Engine], Awaitable[bool]]  # whether its tokens mean what the order's mean
MAX_FAILURES = 3  # of engines in a row, without a token in between


class OtherModel(Exception):  # noqa: N818 - it names what happened
    """The model's name stands for another model now, whose tokens mean something else."""


class Generation:
    """One sequence, from its prompt to its end."""

    def __init__(
        self, order: Submit, model: str, client: str, table: RoutingTable, fits: Fits
    ) -> None:
        self.output: list[int] = []
        self.logprobs: list[tuple[int, Logprobs]] = []  # by token, if the order asks for them
        self.cached_tokens = 0
        self.finish: Finish | None = None
        self._order = order
        self._model = model
        self._table = table
        self._fits = fits
        self._failures = 0
        self._refused_by: set[str] = set()
        self._sequence: Sequence | None = None
        self._turn = table.turn(model, client)

    @property
    def ends_with_stop_token(self) -> bool:
        return self.finish is Finish.STOP and self.output[-1] in self._order.stop_tokens

    def close(self) -> None:
        """Free the sequence in the engine that works on it, if one does, and make room."""
        self._leave_engine()
        self._turn.end()

    def _leave_engine(self) -> None:
        if self._sequence is not None:
            self._sequence.close()
            self._sequence = None

    async def batches(self) -> AsyncIterator[list[int]]:
        """New tokens, as they come; an empty list every second in which none came.

        Raises `ApiError` when the request can't be finished, `OtherModel` when the next engine
        has another tokenizer.
        """
        while self.finish is None:
            async for engine in wait_for_turn(
                self._table, self._model, self._turn, self._refused_by
            ):
                if engine is None:
                    yield []
                else:
                    async for tokens in self._run(engine):
                        yield tokens
            self._end_if_complete()
            if self._refused_by:
                await self._table.wait_for_change(IDLE_SECONDS)
        self._turn.end()

    async def _run(self, engine: Engine) -> AsyncIterator[list[int]]:
        if not await self._fits(engine):
            raise OtherModel
        self._sequence = engine.submit(self._rest())
        try:
            while self.finish is None:
                outputs = await self._sequence.take(IDLE_SECONDS)
                tokens = self._absorb(outputs, engine)
                if tokens is None:
                    return
                yield tokens
        except EngineLost:
            self._count_failure("The engine of the model ended while it worked on this request.")
        finally:
            self._leave_engine()

    def _rest(self) -> Submit:
        """What is still to be generated."""
        return msgspec.structs.replace(
            self._order,
            tokens=[*self._order.tokens, *self.output],
            max_new_tokens=self._order.max_new_tokens - len(self.output),
            num_output=len(self.output),
        )

    def _absorb(self, outputs: list[Output], engine: Engine) -> list[int] | None:
        """The tokens of `outputs`, or None if the engine has refused the sequence."""
        new: list[int] = []
        for output in outputs:
            if output.finish is Finish.REFUSED:
                self._refused_by.add(engine.address.engine_id)
                self._count_failure(f"The engine refused the request: {output.error}.")
                return None
            if output.finish is Finish.ERROR:
                raise failed(f"The engine failed on this request: {output.error}.")
            new += output.tokens
            self.logprobs += zip(output.tokens, output.logprobs, strict=False)
            self.cached_tokens = self.cached_tokens or output.cached_tokens
            self.finish = output.finish
        if new:
            self.output += new
            self._failures = 0
        return new

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
