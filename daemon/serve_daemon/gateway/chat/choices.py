"""Several answers to one request, made at once: `n` of them to each of its prompts."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.completion import Completion, Models, Prepare
from serve_daemon.gateway.answers.prompts import Prepared
from serve_daemon.gateway.common.bell import Bell
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.common.pieces import Piece
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.waiting import IDLE_SECONDS
from serve_daemon.gateway.http.exchange import Exchange

SEED_BYTES = 8


class Part(Struct, frozen=True):
    """What has come of one choice."""

    index: int
    pieces: list[Piece]
    is_end: bool = False


class SharedPrompt:
    """One prompt, prepared once for all choices that answer it; only their seeds differ."""

    def __init__(self, request: GenerationRequest, prepare: Prepare) -> None:
        self.request = request
        self._prepare = prepare
        self._lock = asyncio.Lock()
        self._prepared: tuple[str, Prepared] | None = None  # for the engine of this id

    async def prepared(self, choice: int, engine: Engine) -> Prepared:
        """For one of the choices, which are numbered from 0. Raises `ApiError`."""
        async with self._lock:
            if self._prepared is None or self._prepared[0] != engine.engine_id:
                self._prepared = engine.engine_id, await self._prepare(engine)
            return with_seed_of(self._prepared[1], choice)


def with_seed_of(prepared: Prepared, choice: int) -> Prepared:
    """The same for another choice; the first one has the request's own seed."""
    order = prepared.order
    seed = derived_seed(order.sampling.seed, choice)
    sampling = msgspec.structs.replace(order.sampling, seed=seed)
    return msgspec.structs.replace(
        prepared, order=msgspec.structs.replace(order, sampling=sampling)
    )


def derived_seed(seed: int, choice: int) -> int:
    """What a choice draws from: 64 bits that depend on the request's seed and its number alone."""
    if not choice:
        return seed
    told = seed.to_bytes(SEED_BYTES, "little") + choice.to_bytes(SEED_BYTES, "little")
    return int.from_bytes(hashlib.blake2b(told, digest_size=SEED_BYTES).digest(), "little")


class Choices:
    """They begin in their order, as many at a time as the model computes at once.

    The failure of one is that of all.
    """

    def __init__(
        self, requests: Sequence[GenerationRequest], n: int, exchange: Exchange, models: Models
    ) -> None:
        self.exchange = exchange
        self.completions: list[Completion] = []  # that have begun
        self._n = n
        self._models = models
        self._request = requests[0]
        self._prompts = [
            SharedPrompt(each, partial(models.prompts.prepare, each, exchange.request_id))
            for each in requests
        ]
        self._waiting = deque((prompt, choice) for prompt in self._prompts for choice in range(n))
        self._num_open = 0
        self._tasks: list[asyncio.Task[None]] = []  # one for each of `completions`
        self._parts: list[Part] = []  # not taken yet
        self._error: Exception | None = None
        self._is_promised = False
        self._is_over = False
        self._bell = Bell()
        exchange.on_end(self._end)
        self._begin_more()

    # ------------------------------------------------------------ as of a completion

    @property
    def is_streamed(self) -> bool:
        return self._request.stream

    @property
    def is_prepared(self) -> bool:
        return any(each.is_prepared for each in self.completions)

    @property
    def fingerprint(self) -> str:
        return self.completions[0].fingerprint

    @property
    def prompt_tokens(self) -> int:
        """Of each prompt once, however many choices answer it."""
        return sum(each.prompt_tokens for each in self.completions[:: self._n])

    @property
    def cached_tokens(self) -> int:
        """Of those prompt tokens."""
        return sum(each.cached_tokens for each in self.completions[:: self._n])

    @property
    def completion_tokens(self) -> int:
        return sum(each.completion_tokens for each in self.completions)

    @property
    def reasoning_tokens(self) -> int:
        return sum(each.reasoning_tokens for each in self.completions)

    async def begin(self) -> None:
        """Prepare all prompts if an engine is ready, so that a bad one gets its status.

        From here on none is pushed out. Raises `ApiError`.
        """
        await self._prepare_all()
        await self.completions[0].begin()
        self._promise()

    async def pieces(self) -> AsyncIterator[list[Part]]:
        """What has come since the last time, of all; an empty list every second without any.

        Raises `ApiError`.
        """
        await self._prepare_all()
        self._run_more()
        try:
            while self._num_open or self._parts or self._error:
                if not self._parts and self._error is None:
                    await self._bell.wait(IDLE_SECONDS)
                if self._error is not None:
                    raise self._error
                parts, self._parts = self._parts, []
                self._run_more()
                yield parts
        finally:
            self._end()

    # ------------------------------------------------------------ each of them

    async def _prepare_all(self) -> None:
        engine = self._models.table.engine(self._request.model)
        if engine is None:
            return  # each is prepared when there is one
        for prompt in self._prompts:
            await prompt.prepared(0, engine)
            await asyncio.sleep(0)  # others have their turn between two prompts

    def _begin_more(self) -> None:
        """Take places for as many as there is room for, but for one at least.

        Raises `ApiError` where there is not even that.
        """
        while self._waiting and self._num_open < self._models.table.width(self._request.model):
            prompt, choice = self._waiting[0]
            prepare = partial(prompt.prepared, choice)
            try:
                completion = Completion(prompt.request, self.exchange, self._models, prepare)
            except ApiError:
                if not self._num_open:
                    raise
                return
            self._waiting.popleft()
            self.completions.append(completion)
            self._num_open += 1
            if self._is_promised:
                completion.promise()

    def _promise(self) -> None:
        self._is_promised = True
        for each in self.completions:
            each.promise()

    def _run_more(self) -> None:
        self._begin_more()
        for index in range(len(self._tasks), len(self.completions)):
            self._tasks.append(asyncio.create_task(self._run(index, self.completions[index])))

    async def _run(self, index: int, completion: Completion) -> None:
        """Collect the pieces of one; then its place is the next one's."""
        try:
            async for pieces in completion.pieces():
                if pieces:
                    self._add(Part(index, pieces))
            completion.end()
            self._num_open -= 1
            self._run_more()
            self._add(Part(index, [], is_end=True))
        except Exception as error:  # noqa: BLE001 - raised where the pieces are taken
            self._error = self._error or error
            self._bell.ring()

    def _add(self, part: Part) -> None:
        if not self._is_promised:  # none is pushed out any more, once one has begun to answer
            self._promise()
        self._parts.append(part)
        self._bell.ring()

    def _end(self) -> None:
        """Let all of them go; again is no error."""
        if self._is_over:
            return
        self._is_over = True
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        if self.completions:
            self.exchange.prompt_tokens = self.prompt_tokens  # not those of the last one alone
