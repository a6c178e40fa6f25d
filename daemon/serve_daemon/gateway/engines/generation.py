"""What is generated of one accepted request, which outlives the engines that work on it.

It holds the prompt and all output. When an engine goes away, what is there so far is given to the
next one, which goes on as the lost one would have.
"""

from collections.abc import Iterator, Sequence

import msgspec

from serve_daemon.gateway.common.batches import Batch
from serve_daemon.gateway.common.errors import failed
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.errand import Errand, Fits, OtherModel
from serve_daemon.gateway.engines.routes import RoutingTable
from serve_daemon.gateway.engines.turns import Turn
from serve_daemon.wire.messages import EngineReady, Finish, Output, Submit
from serve_daemon.wire.sampling import Logprobs

__all__ = ["Generation", "OtherModel"]


class Generation(Errand[int]):
    """One sequence, from its prompt to its end."""

    def __init__(
        self, order: Submit, model: str, turn: Turn, table: RoutingTable, fits: Fits
    ) -> None:
        super().__init__(order.request_id, model, turn, table, fits)
        self.output: list[int] = []
        self.logprobs: list[tuple[int, Logprobs]] = []  # by token, if the order asks for them
        self.cached_tokens = 0
        self.taken: list[Batch] | None = None  # since it was last emptied, where that is wanted
        self._begun: Sequence[Batch] = ()
        self._order = order

    @property
    def ends_with_stop_token(self) -> bool:
        return self.finish is Finish.STOP and self.output[-1] in self._order.stop_tokens

    def go_on_from(self, begun: Sequence[Batch]) -> None:
        """Begin with what an earlier gateway has had of the same order."""
        self._begun = begun

    def _known(self) -> Iterator[list[int]]:
        for batch in self._begun:
            self._take(batch)
            yield batch.tokens
        self._end_if_complete()

    @property
    def _tokens(self) -> list[int]:
        return [*self._order.tokens, *self.output]

    def _has_room(self, ready: EngineReady) -> bool:
        return len(self._order.tokens) + len(self.output) < ready.max_context

    def _refuse_to_go_on(self, ready: list[Engine]) -> None:
        """Of a prompt alone nothing is said: it is prepared anew, and refused then."""
        fit = [each for each in ready if each.address.ready.artefacts not in self._unfit]
        if not fit or not self.output:
            return
        max_context = max(each.address.ready.max_context for each in fit)
        raise failed(
            f"The engine of the model was replaced by one with a context of {max_context} tokens;"
            f" this answer and its prompt have {len(self._tokens)} already."
        )

    def _rest(self) -> Submit:
        """What is still to be generated."""
        return msgspec.structs.replace(
            self._order,
            tokens=self._tokens,
            max_new_tokens=self._order.max_new_tokens - len(self.output),
            num_output=len(self.output),
        )

    def _absorb(self, outputs: list[Output]) -> list[int]:
        new: list[int] = []
        logprobs: list[Logprobs] = []
        finish: Finish | None = None
        cached_tokens = 0
        for output in outputs:
            cached_tokens = cached_tokens or output.cached_tokens
            new += output.tokens
            logprobs += output.logprobs
            finish = output.finish
        if new:
            self._count(len(new), cached_tokens)
        self._take(Batch(new, finish, cached_tokens, logprobs))
        return new

    def _count(self, num_new: int, cached_tokens: int) -> None:
        tally = self._turn.tally
        if not self.output:
            tally.prompt(len(self._order.tokens), cached_tokens)
            tally.begin()
        tally.tokens(num_new)

    def _take(self, batch: Batch) -> None:
        if not self.output:  # what a later engine finds is our own output, too
            self.cached_tokens = batch.cached_tokens
        self.output += batch.tokens
        self.logprobs += zip(batch.tokens, batch.logprobs, strict=False)
        self.finish = batch.finish
        if self.taken is not None and (batch.tokens or batch.finish):
            self.taken.append(batch)

    def _end_if_complete(self) -> None:
        if self.finish is None and self.output:
            if self.output[-1] in self._order.stop_tokens:
                self.finish = Finish.STOP
            elif len(self.output) >= self._order.max_new_tokens:
                self.finish = Finish.LENGTH
