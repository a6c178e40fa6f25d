"""Both engines over grammars, with random weights: what comes obeys them, others are let alone."""

import asyncio
import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from engine.client import EngineProcess, Gateway, Stream
from serve_daemon.wire.messages import Finish
from serve_daemon.wire.sampling import Sampling

EOS = 2
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "tags": {"type": "array", "items": {"enum": ["red", "green"]}, "maxItems": 3},
        "size": {"type": "integer", "minimum": -99, "maximum": 99},
        "is_new": {"type": "boolean"},
    },
    "required": ["name", "tags", "size", "is_new"],
    "additionalProperties": False,
    "x-guidance": {"whitespace_flexible": False},
}
GRAMMAR = f"start: %json {json.dumps(SCHEMA)}"


@pytest.fixture
def tokenizer(tiny: EngineProcess) -> Tokenizer:
    return Tokenizer.from_file(f"{tiny.ready().artefacts}/tokenizer.json")


def begin(gateway: Gateway, seed: int, most: int = 300, **more: Any) -> Stream:
    sampling = more.pop("sampling", Sampling(seed=seed))
    return gateway.submit([5, seed], most, sampling, (EOS,), grammar=GRAMMAR, **more)


def text_of(tokenizer: Tokenizer, stream: Stream) -> str:
    return str(tokenizer.decode(stream.tokens, skip_special_tokens=True))


async def test_every_answer_fits_the_schema(gateway: Gateway, tokenizer: Tokenizer) -> None:
    """At temperature 1, from random weights, several in a batch, and ends by itself."""
    greedy = begin(gateway, 99, sampling=Sampling(temperature=0.0))
    streams = [begin(gateway, seed) for seed in range(10)]
    for stream in (greedy, *streams):
        assert (await stream.done()).finish is Finish.STOP
    answers = [json.loads(text_of(tokenizer, stream)) for stream in streams]
    assert all(list(answer) == SCHEMA["required"] for answer in answers)
    assert all(abs(answer["size"]) <= 99 for answer in answers)
    assert len({text_of(tokenizer, stream) for stream in streams}) == len(streams)


async def test_an_answer_goes_on_where_it_was_cut(gateway: Gateway) -> None:
    """In its grammar, by the same draws."""
    whole = await begin(gateway, 3).done()
    cut = len(whole.tokens) // 2
    rest = gateway.submit(
        [5, 3, *whole.tokens[:cut]],
        300 - cut,
        Sampling(seed=3),
        (EOS,),
        num_output=cut,
        grammar=GRAMMAR,
    )
    assert (await rest.done()).tokens == whole.tokens[cut:]


async def test_neighbours_are_what_they_are_alone(gateway: Gateway) -> None:
    """Some with a grammar, some without."""
    free = {
        seed: await gateway.submit([9, seed], 20, Sampling(seed=seed)).done() for seed in (1, 2)
    }
    bound = await begin(gateway, 7).done()
    streams = [gateway.submit([9, seed], 20, Sampling(seed=seed)) for seed in free]
    together = begin(gateway, 7)
    await asyncio.gather(*(stream.done() for stream in (*streams, together)))
    assert together.tokens == bound.tokens
    assert [stream.tokens for stream in streams] == [each.tokens for each in free.values()]


async def test_a_limit_cuts_an_answer(gateway: Gateway) -> None:
    """As it cuts any other."""
    stream = await begin(gateway, 1, most=5).done()
    assert (stream.finish, len(stream.tokens)) == (Finish.LENGTH, 5)


async def test_a_grammar_that_fails_ends_its_sequence_alone(gateway: Gateway) -> None:
    """Whether none can be made, or what else is wanted leaves no token."""
    other = begin(gateway, 4)
    broken = gateway.submit([5], 9, Sampling(seed=1), (EOS,), grammar="start: nothing")
    stuck = begin(gateway, 5, sampling=Sampling(seed=5, allowed=[200, 201]))
    assert (await broken.done()).finish is Finish.ERROR
    assert "nothing" in broken.outputs[-1].error
    assert (await stuck.done()).finish is Finish.ERROR
    assert "grammar" in stuck.outputs[-1].error
    assert (await other.done()).finish is Finish.STOP
    after = await begin(gateway, 4).done()
    assert after.tokens == other.tokens


async def test_a_cancelled_sequence_is_silent(tiny: EngineProcess, gateway: Gateway) -> None:
    """Also where its grammar is still being made."""
    stream = gateway.submit([5], 300, Sampling(seed=1), (EOS,), grammar=f"{GRAMMAR}\n// new")
    gateway.cancel(stream)
    await begin(gateway, 2).done()
    assert stream.finish is None  # what it had before the engine read of it is no matter
    tiny.next_heartbeat(lambda beat: beat.running == beat.waiting == 0)
