"""The life of one request at the engines: what it takes along, and what ends it."""

import asyncio
from unittest import mock

import msgspec
import pytest

from fakes.scripted_engines import READY, ScriptedEngine, ScriptedModel, settle
from fakes.scripted_requests import LENGTH, begin, make
from serve_daemon.gateway.common.errors import ApiError
from serve_daemon.gateway.engines import errand
from serve_daemon.gateway.engines.connections import Engine
from serve_daemon.gateway.engines.errand import LAST_TRIAL_SECONDS, OtherModel


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
    ((number, next_tried),) = second.work.items()
    assert next_tried.request_id != tried.request_id
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
    with mock.patch("serve_daemon.gateway.engines.waiting.IDLE_SECONDS", 0.001):
        batches = request.batches()
        assert await anext(batches) == []
    with mock.patch.object(errand, "IDLE_SECONDS", 0.001):
        engine = await first_engine(model)
        assert [await anext(batches) for _ in range(2)] == [[], []]
        assert engine.work
        engine.generate(1, LENGTH)
        assert await anext(batches) != []
    request.close()


async def test_changes_that_bring_no_engine_are_no_news_to_a_client() -> None:
    """However often the table changes, a word comes once a second."""
    model = ScriptedModel()
    request = make(model)
    word = asyncio.ensure_future(anext(request.batches()))
    for _ in range(5):
        model.withdraw(model.add())
        model.table.dispatch("m").turns.wake()
        await settle()
    assert not word.done()
    word.cancel()
    request.close()
