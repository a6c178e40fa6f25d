"""A request, whatever its engines do: every token comes once, in order, and an end."""

import asyncio
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.scripted_engines import READY, ScriptedEngine, ScriptedModel, settle, token_at
from serve_daemon.gateway import generation, verdicts
from serve_daemon.gateway.engines import Engine
from serve_daemon.gateway.errors import ApiError
from serve_daemon.gateway.generation import (
    LAST_TRIAL_SECONDS,
    MAX_FAILURES,
    Fits,
    Generation,
    OtherModel,
)
from serve_daemon.wire.messages import Finish, Submit
from serve_daemon.wire.sampling import Sampling

LENGTH = 20
MAX_CRASHES = 2  # the third may be a verdict of guilty

# One event: what happens, to which engine, to which of its sequences, with how many tokens.
KINDS = [
    "looked",
    "tokens",
    "silent end",
    "crash",
    "kill",
    "break",
    "refuse",
    "add",
    "replace",
    "idle",
]
EVENTS = st.tuples(
    st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9), st.integers(1, LENGTH)
)


async def fits(_engine: Engine) -> bool:
    return True


def make(model: ScriptedModel, prompt_length: int = 3, fits: Fits = fits) -> Generation:
    prompt = [token_at(position) for position in range(prompt_length)]
    order = Submit(0, f"req_{prompt_length}", prompt, LENGTH, [0], Sampling())
    return Generation(order, "m", "client", model.table, fits)


def begin(
    model: ScriptedModel, prompt_length: int = 3, fits: Fits = fits
) -> tuple[Generation, "asyncio.Task[None]"]:
    """A request that is being answered, known by the length of its prompt."""
    request = make(model, prompt_length, fits)
    return request, asyncio.create_task(read(request, prompt_length))


async def read(request: Generation, prompt_length: int) -> None:
    """Take all batches; they must be the answer."""
    tokens = [token async for batch in request.batches() for token in batch]
    assert tokens == [token_at(prompt_length + number) for number in range(LENGTH)]
    assert request.output == tokens
    assert request.finish is Finish.LENGTH


class Play:
    """Has events happen, as far as they can, and keeps those scarce that end requests."""

    def __init__(self, model: ScriptedModel) -> None:
        self.model = model
        self.crashes = 0
        self.faults = 0
        self._looking: list[asyncio.Future[bool]] = []

    async def fits(self, _engine: Engine) -> bool:
        """Looking at an engine's tokens takes a while, in which anything may happen."""
        self._looking.append(asyncio.get_running_loop().create_future())
        return await self._looking[-1]

    def look(self) -> None:
        """Have all who look be done with it."""
        while self._looking:
            self._looking.pop().set_result(True)

    async def happen(self, kind: str, engine_number: int, number: int, count: int) -> None:
        engines = [each for each in self.model.engines if each.is_connected]
        if not engines:
            self.model.add()
            return
        engine = engines[engine_number % len(engines)]
        if kind == "looked":
            self.look()
        if engine.work:
            self._to_sequence(kind, engine, sorted(engine.work)[number % len(engine.work)], count)
        self._to_engine(kind, engine)
        await settle()

    def _to_sequence(self, kind: str, engine: ScriptedEngine, sequence: int, count: int) -> None:
        match kind:
            case "tokens":
                engine.generate(sequence, count)
            case "silent end":
                engine.generate(sequence, LENGTH, tells_end=False)
                self.model.end(engine, crashed=False)
            case "refuse" if self._may_fail():
                self.faults += engine.refuse(sequence)

    def _to_engine(self, kind: str, engine: ScriptedEngine) -> None:
        match kind:
            case "break" if self._may_fail():
                self.faults += 1
                engine.go()
                engine._connect_again()
            case "crash" if self.crashes < MAX_CRASHES:
                self.crashes += 1
                self.model.end(engine, crashed=True)
            case "kill":
                self.model.end(engine, crashed=False)
            case "add":
                self.model.add()
            case "replace":
                self.model.add()
                self.model.withdraw(engine)

    def _may_fail(self) -> bool:
        return self.faults < MAX_FAILURES - 1

    async def finish(self, readers: "list[asyncio.Task[None]]") -> None:
        """Let everything go well from here on."""
        self.model.add()
        async with asyncio.timeout(20):
            while not all(reader.done() for reader in readers):
                self.look()
                for engine in self.model.engines:
                    for number in list(engine.work):
                        engine.generate(number, 1)
                await asyncio.sleep(0.001)
        for reader in readers:
            reader.result()


@given(events=st.lists(EVENTS, max_size=25), requests=st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_the_tokens_are_those_of_an_engine_that_never_fails(
    events: list[tuple[str, int, int, int]], requests: int
) -> None:
    """Whatever crashes, is killed, withdrawn, cut off, refuses, or does not tell the end."""

    async def play() -> None:
        model = ScriptedModel()
        model.add()
        acts = Play(model)
        readers = [begin(model, 3 + number, acts.fits)[1] for number in range(requests)]
        await settle()
        for event in events:
            await acts.happen(*event)
        await acts.finish(readers)
        assert all(engine.load.sequences == 0 for engine in model.engines)

    with (
        mock.patch.object(verdicts, "PATIENCE_SECONDS", 0.001),
        mock.patch.object(generation, "IDLE_SECONDS", 0.01),
        mock.patch("serve_daemon.gateway.waiting.IDLE_SECONDS", 0.01),
    ):
        asyncio.run(play())


async def first_engine(model: ScriptedModel) -> ScriptedEngine:
    engine = model.add()
    await settle()
    return engine


async def test_a_second_replica_goes_on_at_once() -> None:
    """No time passes between the verdict and the next order, as the loop's turns show."""
    model = ScriptedModel()
    first, second = model.add(), model.add()
    _, reader = begin(model)
    await settle()
    holder, other = (first, second) if first.work else (second, first)
    holder.generate(1, 5)
    model.end(holder, crashed=False)
    await settle()
    (submit,) = other.submits
    assert (submit.num_output, submit.max_new_tokens) == (5, LENGTH - 5)
    other.generate(1, LENGTH)
    await reader


async def test_tokens_found_in_a_cache_are_those_of_the_prompt() -> None:
    """What the next engine finds may be this answer's own."""
    model = ScriptedModel()
    first = await first_engine(model)
    request, reader = begin(model)
    await settle()
    first.generate(1, 5, cached=2)
    second = model.add()
    model.end(first, crashed=False)
    await settle()
    second.generate(1, LENGTH, cached=7)
    await reader
    assert request.cached_tokens == 2


async def test_an_answer_that_has_outgrown_the_next_engine_ends_with_an_error() -> None:
    """It says what is too long for what."""
    model = ScriptedModel()
    first = await first_engine(model)
    _, reader = begin(model)
    await settle()
    first.generate(1, 10)
    model.add(msgspec.structs.replace(READY, max_context=13))
    model.end(first, crashed=False)
    with pytest.raises(
        ApiError, match="a context of 13 tokens; this answer and its prompt have 13"
    ):
        await reader


async def test_a_prompt_that_is_too_long_for_the_next_engine_is_prepared_anew() -> None:
    """Then its length is told to the client as for any other."""
    model = ScriptedModel()
    first = await first_engine(model)
    _, reader = begin(model)
    await settle()
    model.add(msgspec.structs.replace(READY, max_context=3))
    model.end(first, crashed=False)
    with pytest.raises(OtherModel):
        await reader


async def test_the_guilty_fails() -> None:
    """With what is known of the engine's end."""
    model = ScriptedModel()
    await first_engine(model)
    _, reader = begin(model)
    for _ in range(3):
        await settle()
        engine = model.engines[-1]
        assert engine.work
        model.end(engine, crashed=True)
        model.add()
    with pytest.raises(ApiError, match=r"ended the engine of the model twice .* as told") as caught:
        await reader
    assert caught.value.body.code == "engine_failed"


async def test_a_request_that_leaves_on_trial_makes_way() -> None:
    """The next suspect is tried at once."""
    model = ScriptedModel()
    first = await first_engine(model)
    one, leaving = begin(model)
    other, reader = begin(model, 4)
    await settle()
    second = model.add()
    model.end(first, crashed=True)
    await settle()
    (tried,) = second.work.values()
    if tried.request_id == "req_4":
        one, leaving, reader = other, reader, leaving
    leaving.cancel()
    one.close()
    await settle()
    (number,) = second.work
    second.generate(number, LENGTH)
    await reader


async def test_an_engine_with_other_tokens_is_passed_over() -> None:
    """While replicas are replaced one by one, the old ones go on with what is theirs."""
    model = ScriptedModel()
    strange = model.add(msgspec.structs.replace(READY, artefacts="/strange"))
    fitting = await first_engine(model)

    async def look(engine: Engine) -> bool:
        await asyncio.sleep(0)
        return engine is fitting

    requests = [begin(model, 3 + number, look) for number in range(3)]
    await settle()
    assert (len(strange.submits), len(fitting.submits)) == (0, 3)
    for number in range(1, 4):
        fitting.generate(number, 5)
    model.end(fitting, crashed=False)
    for _, reader in requests:
        with pytest.raises(OtherModel):
            await reader


@pytest.mark.parametrize("workers", [1, 3])
async def test_last_trials_of_several_gateways_are_spread(workers: int) -> None:
    """Else one gateway's poison would condemn what another has on trial, each time."""
    model = ScriptedModel()
    model.table.num_workers = workers
    await first_engine(model)
    _, reader = begin(model)
    with mock.patch("random.uniform", side_effect=min) as uniform:
        for _ in range(2):
            await settle()
            model.end(model.engines[-1], crashed=True)
            last = model.add()
        await settle()
        last.generate(1, LENGTH)
        await reader
    assert uniform.call_args_list == (
        [] if workers == 1 else [mock.call(0, 3 * LAST_TRIAL_SECONDS)]
    )


async def test_each_wait_for_an_engine_has_its_own_time() -> None:
    """A request that lost its engine has all of queue_timeout again, and no more."""
    model = ScriptedModel(queue_timeout=0.05)
    _, reader = begin(model)
    first = await first_engine(model)
    first.generate(1, 5)
    await settle()
    model.end(first, crashed=False)
    with pytest.raises(ApiError, match=r"was not ready within 0\.05 seconds"):
        await reader


async def test_a_request_hears_nothing_for_no_longer_than_a_second() -> None:
    """Whether it waits for its turn, an engine, or a token: it can tell its client."""
    model = ScriptedModel()
    request = make(model)
    with mock.patch("serve_daemon.gateway.waiting.IDLE_SECONDS", 0.001):
        batches = request.batches()
        assert await anext(batches) == []
    with mock.patch.object(generation, "IDLE_SECONDS", 0.001):
        engine = await first_engine(model)
        assert [await anext(batches) for _ in range(2)] == [[], []]
        assert engine.work
        engine.generate(1, LENGTH)
        assert await anext(batches) != []
    request.close()
