"""Several answers to one request, made by engines that a test plays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fakes.artefacts import write_artefacts
from fakes.scripted_engines import ScriptedEngine, ScriptedModel, settle
from serve_daemon.api.requests import GenerationRequest
from serve_daemon.gateway.answers.completion import Models
from serve_daemon.gateway.answers.prompts import Prepared
from serve_daemon.gateway.chat.choices import Choices, Part, derived_seed
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.http.exchange import Exchange
from serve_daemon.gateway.text.tokenizer import TextModel, read_text_model
from serve_daemon.wire.messages import Finish, Output, Step, Submit
from serve_daemon.wire.sampling import Sampling

LENGTH = 5  # tokens of each answer
SEED = 7
WIDTH = 4  # sequences that the engine computes at once


class LetterPrompts:
    """Each letter of a prompt is a token; a prompt with an x is a bad one."""

    def __init__(self, text_model: TextModel) -> None:
        self.num_prepared = 0
        self._text_model = text_model

    async def prepare(
        self, request: GenerationRequest, request_id: str, engine: Engine
    ) -> Prepared:
        assert engine.is_connected
        self.num_prepared += 1
        tokens = [ord(letter) for letter in str(request.prompt)]
        if ord("x") in tokens:
            raise ValueError(request.prompt)
        order = Submit(0, request_id, tokens, LENGTH, [0], Sampling(seed=SEED))
        return Prepared(order, self._text_model, "fp")

    async def has_vocabulary(self, engine: Engine, text_model: TextModel) -> bool:
        return engine.is_connected and text_model is self._text_model


class Case:
    """A model with one engine, and a client of it."""

    def __init__(self, text_model: TextModel) -> None:
        self.model = ScriptedModel()
        self.engine: ScriptedEngine = self.model.add()
        self.prompts = LetterPrompts(text_model)
        self.exchange = Exchange({"method": "POST", "path": "/", "client": None}, [])
        self.parts: list[Part] = []

    def choices(self, *prompts: str, n: int) -> Choices:
        requests = [GenerationRequest(model="m", prompt=prompt) for prompt in prompts]
        prepare: Any = self.prompts
        return Choices(requests, n, self.exchange, Models(self.model.table, prepare))

    def read(self, choices: Choices) -> "asyncio.Task[None]":
        async def read() -> None:
            async for parts in choices.pieces():
                self.parts += parts

        return asyncio.create_task(read())

    def finish(self) -> None:
        """Complete the sequences that the engine has."""
        for number in list(self.engine.work):
            self.engine.generate(number, LENGTH)

    @property
    def ended(self) -> list[int]:
        return [part.index for part in self.parts if part.is_end]


@pytest_asyncio.fixture(loop_scope="module")
async def case(tmp_path: Path) -> Case:
    write_artefacts(tmp_path, generation_config={})
    case = Case(read_text_model(tmp_path))
    await settle()
    return case


def test_seeds_differ_and_come_out_alike() -> None:
    """The first choice has the request's own, so that n changes nothing for it."""
    seeds = [derived_seed(SEED, choice) for choice in range(128)]
    assert seeds[0] == SEED
    assert len(set(seeds)) == 128
    assert seeds == [derived_seed(SEED, choice) for choice in range(128)]
    assert derived_seed(SEED + 1, 1) not in seeds
    assert 0 <= min(seeds) <= max(derived_seed(2**64 - 1, 1), *seeds) < 2**64


async def test_all_are_made_at_once_of_one_prompt(case: Case) -> None:
    """It is prepared once, and its tokens count once; those of the answers are summed."""
    choices = case.choices("abc", n=3)
    reading = case.read(choices)
    await settle()
    assert len(case.engine.work) == 3
    seeds = [submit.sampling.seed for submit in case.engine.submits]
    assert seeds == [derived_seed(SEED, choice) for choice in range(3)]
    case.finish()
    await reading
    assert case.prompts.num_prepared == 1
    assert sorted(case.ended) == [0, 1, 2]
    assert {part.index for part in case.parts if part.pieces} == {0, 1, 2}
    assert (choices.prompt_tokens, choices.completion_tokens) == (3, 3 * LENGTH)
    assert [each.finish_reason for each in choices.completions] == [Finish.LENGTH] * 3
    case.exchange.end()
    assert (case.exchange.prompt_tokens, case.exchange.completion_tokens) == (3, 3 * LENGTH)


async def test_those_of_the_first_prompt_come_first(case: Case) -> None:
    """Each prompt has its first choice's seed; cached tokens are counted for each prompt once."""
    choices = case.choices("ab", "abcd", n=2)
    reading = case.read(choices)
    await settle()
    submits = case.engine.submits
    assert [len(submit.tokens) for submit in submits] == [2, 2, 4, 4]
    assert [submit.sampling.seed for submit in submits][::2] == [SEED, SEED]
    for number in list(case.engine.work):
        case.engine.generate(number, LENGTH, cached=1)
    await reading
    assert case.prompts.num_prepared == 2
    assert (choices.prompt_tokens, choices.cached_tokens) == (6, 2)


async def test_no_more_are_open_than_the_engine_computes(case: Case) -> None:
    """The next one begins where one has ended."""
    reading = case.read(case.choices("abc", n=10))
    for ended in (0, 4, 8):
        await settle()
        assert len(case.engine.work) == min(WIDTH, 10 - ended)
        assert len(case.ended) == ended
        case.finish()
    await reading
    assert sorted(case.ended) == list(range(10))


async def test_the_next_one_need_not_wait_for_the_slowest(case: Case) -> None:
    """Each place is filled as it gets free."""
    reading = case.read(case.choices("abc", n=6))
    await settle()
    first = next(iter(case.engine.work))
    case.engine.generate(first, LENGTH)
    await settle()
    assert case.ended == [0]
    assert len(case.engine.submits) == WIDTH + 1
    while not reading.done():
        case.finish()
        await settle()
    assert sorted(case.ended) == list(range(6))


async def test_the_failure_of_one_is_that_of_all(case: Case) -> None:
    """The others are not computed any further."""
    reading = case.read(case.choices("abc", n=3))
    await settle()
    first = next(iter(case.engine.work))
    case.engine._received(Step([Output(first, [], Finish.ERROR, "as told")]))
    with pytest.raises(ApiError, match="as told"):
        await reading
    await settle()
    assert set(case.engine.work) <= {first}


async def test_a_bad_prompt_is_found_before_any_is_answered(case: Case) -> None:
    """Wherever it stands."""
    choices = case.choices("ab", "cd", "ax", n=1)
    with pytest.raises(ValueError, match="ax"):
        await choices.begin()
    with pytest.raises(ValueError, match="ax"):
        await case.read(choices)
    assert not case.engine.submits


async def test_they_outlive_their_engine(case: Case) -> None:
    """Each goes on at the next one, with its own seed, from the token where it was."""
    choices = case.choices("abc", n=3)
    reading = case.read(choices)
    await settle()
    begun = {submit.sampling.seed for submit in case.engine.submits}
    for number in list(case.engine.work):
        case.engine.generate(number, 2)
    await settle()
    case.model.end(case.engine, crashed=False)
    case.engine = case.model.add()
    while not reading.done():
        await settle()
        case.finish()
    assert {submit.sampling.seed for submit in case.engine.submits} == begun
    assert {submit.num_output for submit in case.engine.submits} == {2}
    assert choices.completion_tokens == 3 * LENGTH


async def test_a_client_that_leaves_ends_all(case: Case) -> None:
    """Nothing is left at the engine, and no place in the queue."""
    choices = case.choices("abc", n=10)
    await choices.begin()
    reading = case.read(choices)
    await settle()
    reading.cancel()
    await settle()
    assert not case.engine.work
    case.exchange.end()
    assert not case.model.table.dispatch("m").turns._turns


async def test_where_the_queue_has_one_place_they_go_one_by_one(case: Case) -> None:
    """Rather than be refused."""
    room = WIDTH + 64  # max_queue of the scripted model
    for _ in range(room - 1):
        _, turn = case.model.table.admit("m", case.exchange.client)
        turn.begin()
        turn.rest()
    choices = case.choices("abc", n=3)
    reading = case.read(choices)
    for ended in range(3):
        await settle()
        assert len(case.engine.work) == 1
        assert case.ended == list(range(ended))
        case.finish()
    await reading
    case.choices("abc", n=1)
    with pytest.raises(ApiError, match="open requests"):
        case.choices("abc", n=1)


async def test_a_model_that_is_not_ready_is_waited_for(tmp_path: Path) -> None:
    """How many it computes at once is known when it is there."""
    write_artefacts(tmp_path, generation_config={})
    case = Case(read_text_model(tmp_path))
    case.model.withdraw(case.engine)
    choices = case.choices("abc", n=3)
    await choices.begin()
    reading = case.read(choices)
    await settle()
    assert not choices.is_prepared
    case.engine = case.model.add()
    while not reading.done():
        await settle()
        case.finish()
    assert sorted(case.ended) == [0, 1, 2]
