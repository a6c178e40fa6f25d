"""A request being answered: from its admission to the pieces of its answer, with their count."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import msgspec

from serve_daemon.api.logprobs import TokenLogprob
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.models import Models
from serve_daemon.gateway.answers.prompts import Prepared
from serve_daemon.gateway.answers.silence import Silence
from serve_daemon.gateway.common.batches import Batch, Begun, Resumption
from serve_daemon.gateway.common.errors import failed
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.generation import Generation, OtherModel
from serve_daemon.gateway.engines.waiting import wait_for_engine, wait_for_turn
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.parsing.output_parser import OutputParser
from serve_daemon.gateway.text.token_text import TokenText
from serve_daemon.gateway.text.tokenizer import TextModel
from serve_daemon.wire.messages import Finish
from serve_daemon.wire.metrics import Outcome
from serve_daemon.wire.sampling import Sampling

__all__ = ["Completion", "Models"]

HOLD_SECONDS = 5.0  # a client that waits longer for its turn hears that there will be an answer

Prepare = Callable[[Engine], Awaitable[Prepared]]


class Completion:
    """One request and its answer, or one of several answers to it."""

    def __init__(
        self,
        request: GenerationRequest,
        exchange: Exchange,
        models: Models,
        prepare: Prepare | None = None,
    ) -> None:
        route, turn = models.table.admit(request.model, exchange.client)
        exchange.model = route.model
        exchange.on_end(turn.end)
        self.finish_reason: Finish = Finish.STOP
        self.stop_string: str | None = None  # the one that ended the answer
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self._logprobs: list[TokenLogprob] = []
        self._request = request
        self.exchange = exchange
        self._models = models
        self._model = route.model
        self._turn = turn
        self.prepared: Prepared | None = None  # what the model is asked, once that is known
        self._generation: Generation | None = None
        self._is_recorded = False
        self._begun: Begun | None = None
        self._make = prepare or partial(models.prompts.prepare, request, exchange.request_id)

    @property
    def is_prepared(self) -> bool:
        return self.prepared is not None

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn; the defaults until that is known."""
        return self.prepared.order.sampling if self.prepared else Sampling()

    @property
    def fingerprint(self) -> str:
        """What the engine computes with; "" until that is known."""
        return self.prepared.fingerprint if self.prepared else ""

    @property
    def is_streamed(self) -> bool:
        return self._request.stream

    def take_logprobs(self) -> list[TokenLogprob]:
        """Those of the tokens that came since the last call; none unless asked for."""
        taken, self._logprobs = self._logprobs, []
        return taken

    def record(self) -> None:
        """Keep the tokens as they come, for whoever may have to go on from there."""
        self._is_recorded = True

    def take_batches(self) -> list[Batch]:
        """Those that came since the last call."""
        if self._generation is None:
            return []
        taken, self._generation.taken = self._generation.taken, []
        return taken or []

    @property
    def resumption(self) -> Resumption | None:
        """What another gateway would need to go on; None until that is known."""
        if self.prepared is None:
            return None
        return Resumption(self.prepared.order, self.prepared.text_model.fingerprint)

    def go_on_from(self, begun: Begun) -> None:
        """Answer as an earlier gateway has begun to, telling its part again."""
        self._begun = begun

    async def begin(self, hold_seconds: float = HOLD_SECONDS) -> None:
        """Prepare at once if an engine is ready, so that a bad request gets its status.

        So does one that is pushed out of a full queue, unless it has been there for so long.
        Raises `ApiError`.
        """
        with self._turn.tally.judging():
            engine = self._models.table.engine(self._model)
            if engine is not None:
                self.prepared = await self._prepare(engine)
                await wait_for_turn(self._turn, hold_seconds)
        self.promise()

    def promise(self) -> None:
        """The client is told that there will be an answer: it is not pushed out any more."""
        self._turn.promise()

    def end(self) -> None:
        """Make way for others; again is no error."""
        self._turn.end()

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """The answer, as it comes; an empty list every second in which nothing came.

        Raises `ApiError`.
        """
        with self._turn.tally.judging():
            while True:
                if self.prepared is None:
                    async for engine in wait_for_engine(
                        self._models.table, self._model, self._turn
                    ):
                        if engine is not None:
                            self.prepared = await self._prepare(engine)
                        yield []
                    continue
                try:
                    async for pieces in self._answer(self.prepared):
                        yield pieces
                except OtherModel:
                    self._begin_anew()
                else:
                    self._turn.tally.finish(Outcome(self.finish_reason))
                    return

    async def _prepare(self, engine: Engine) -> Prepared:
        prepared = await self._make(engine)
        if self._begun is not None:
            prepared = self._as_begun(prepared, self._begun)
        self.prompt_tokens = self.exchange.prompt_tokens = len(prepared.order.tokens)
        self._models.log_prompt(self._model, prepared, self.exchange.identity)
        return prepared

    def _as_begun(self, prepared: Prepared, begun: Begun) -> Prepared:
        """With the prompt, the seed and the limits of the earlier gateway, if they still apply."""
        if prepared.text_model.fingerprint == begun.resumption.vocabulary:
            return msgspec.structs.replace(prepared, order=begun.resumption.order)
        if begun.batches:
            raise failed("The model was replaced by another one while it answered.")
        return prepared

    def _begin_anew(self) -> None:
        """Forget what was prepared for a model that is not there any more."""
        if self.completion_tokens:
            raise failed("The model was replaced by another one while it answered.")
        self.prepared = None

    # ------------------------------------------------------------ tokens to text

    def _generate(self, prepared: Prepared) -> Generation:
        async def fits(engine: Engine) -> bool:
            return await self._models.prompts.has_vocabulary(engine, prepared.text_model)

        generation = Generation(prepared.order, self._model, self._turn, self._models.table, fits)
        self.exchange.on_end(generation.close)
        if self._begun is not None:
            generation.go_on_from(self._begun.batches)
        generation.taken = [] if self._is_recorded else None
        self._generation = generation
        return generation

    async def _answer(self, prepared: Prepared) -> AsyncIterator[list[Piece]]:
        if not prepared.order.max_new_tokens:
            self.finish_reason = Finish.LENGTH
            return
        parser, silence = prepared.parser(), Silence()
        async for text in self._texts(prepared, parser):
            if silence.is_over(pieces := parser.feed(text)):
                yield pieces
        if rest := parser.flush():
            yield rest

    async def _texts(self, prepared: Prepared, parser: OutputParser) -> AsyncIterator[str]:
        generation = self._generate(prepared)
        texts = TokenText(
            prepared.text_model.tokenizer,
            self._request.stop,
            self._request.min_tokens,
            prepared.hidden,
        )
        async for tokens in generation.batches():
            if not tokens:
                yield ""
                continue
            self._count(tokens, generation)
            self.reasoning_tokens += len(tokens) if parser.is_reasoning else 0
            if self._request.logprobs:
                self._add_logprobs(generation, prepared.text_model)
            text = texts.feed(_text_tokens(generation, tokens))
            if text:
                yield text
            if texts.stopped_by is not None:
                self.stop_string = texts.stopped_by
                generation.close()
                return
        rest = texts.flush()
        self.stop_string = texts.stopped_by
        if self.stop_string is None:
            self.finish_reason = generation.finish or Finish.STOP
        if rest:
            yield rest

    def _add_logprobs(self, generation: Generation, text_model: TextModel) -> None:
        entries, generation.logprobs = generation.logprobs, []
        if generation.ends_with_stop_token:
            del entries[-1:]
        self._logprobs += [text_model.token_bytes.render(*entry) for entry in entries]

    def _count(self, tokens: list[int], generation: Generation) -> None:
        if not self.completion_tokens:
            self.cached_tokens = generation.cached_tokens
        if not self.exchange.completion_tokens:
            self.exchange.note_first_token()
        self.completion_tokens += len(tokens)
        self.exchange.completion_tokens += len(tokens)


def _text_tokens(generation: Generation, tokens: list[int]) -> list[int]:
    """All but the stop token that ended the sequence."""
    return tokens[:-1] if generation.ends_with_stop_token else tokens
