"""Hundreds of requests of all kinds through every engine: none is wrong, nothing is left behind."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.architectures import write_checkpoint
from engine.client import EngineProcess, Gateway, Stream
from engine.engines import ENGINES
from engine.models import BYTES_PER_TOKEN
from engine.random_requests import LONGEST_ANSWER, Request, check, impossible, prompts, request
from engine.reference import Continuation, first_difference, generate, is_near_tie
from serve_daemon.wire.messages import EngineSpec, Finish
from serve_daemon.wire.sampling import Sampling

pytestmark = [pytest.mark.model, pytest.mark.timeout(3600)]

CONTEXT = 512
MAX_REQUESTS = 8
OPEN_REQUESTS = 40  # at a time, of which most wait
MAX_GROWTH_BYTES = 8 * 1024 * 1024  # of an engine's memory, for noise


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def references(checkpoint: Path) -> list[Continuation]:
    """What plain Transformers says after each prompt."""
    return [generate(checkpoint, each, LONGEST_ANSWER) for each in prompts()]


@pytest.fixture(scope="module", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProcess]:
    """One that can't hold as many tokens as its sequences have, where they share a pool."""
    pool_bytes = CONTEXT * BYTES_PER_TOKEN if request.param == "continuous" else 0
    spec = EngineSpec(
        model="tiny",
        source=str(checkpoint),
        engine=request.param,
        dtype="float32",
        max_requests=MAX_REQUESTS,
        max_context=CONTEXT,
        max_batch_tokens=64,
        kv_cache_memory=pool_bytes,
    )
    with EngineProcess(spec, tmp_path_factory.mktemp("cache")) as process:
        assert process.ready().max_context == CONTEXT
        yield process


async def ask(gateway: Gateway, wanted: Request) -> Stream:
    """The answer, or as much of it as the client waits for."""
    stream = gateway.submit(wanted.prompt, wanted.length, wanted.sampling, wanted.stop_tokens)
    if wanted.patience is None:
        return await stream.done()
    while len(stream.outputs) < wanted.patience and stream.finish is None:
        await stream.changed()
    gateway.cancel(stream)
    return stream


async def ask_all(
    gateway: Gateway, numbers: range, known: list[list[int]]
) -> dict[int, tuple[Request, Stream]]:
    """Those with these numbers, and now and then one that must be refused."""
    room = asyncio.Semaphore(OPEN_REQUESTS)

    async def one(number: int) -> tuple[Request, Stream]:
        wanted = request(number, known)
        async with room:
            if number % 50 == 0:
                refused = await ask(gateway, impossible(number // 50))
                assert [output.finish for output in refused.outputs] == [Finish.REFUSED]
            return wanted, await ask(gateway, wanted)

    answers = await asyncio.gather(*(one(number) for number in numbers))
    return dict(zip(numbers, answers, strict=True))


def check_greedy(wanted: Request, stream: Stream, reference: Continuation) -> None:
    """The tokens are those of generate(), up to the end or to a tie."""
    tokens = stream.tokens
    place = first_difference(Continuation(reference.tokens[: len(tokens)], reference.gaps), tokens)
    assert place is None or is_near_tie(reference, place)


async def becomes_empty(engine: EngineProcess) -> None:
    await asyncio.to_thread(
        engine.next_heartbeat, lambda beat: beat.running == 0 and beat.waiting == 0
    )


def resident_bytes(engine: EngineProcess) -> int:
    return int(psutil.Process(engine.process.pid).memory_info().rss)


async def check_whole_context(gateway: Gateway) -> None:
    """Every slot, and every page, can be had again, which fails by a timeout if one can't."""
    streams = [gateway.submit([5 + n] * (CONTEXT - 20), 30) for n in range(MAX_REQUESTS)]
    for stream in streams:
        assert len((await stream.done()).tokens) == 20
        assert stream.finish is Finish.LENGTH


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.long)])
async def test_random_requests(
    count: int, engine: EngineProcess, references: list[Continuation]
) -> None:
    """Each ends once and as asked, greedy ones as generate() does, all others as when alone."""
    known = prompts()
    halves = range(1, count // 2 + 1), range(count // 2 + 1, count + 1)
    async with await Gateway.connect(engine.socket_path) as gateway:
        answers = await ask_all(gateway, halves[0], known)
        await becomes_empty(engine)
        before = resident_bytes(engine)
        answers |= await ask_all(gateway, halves[1], known)
        await becomes_empty(engine)
        assert resident_bytes(engine) - before < MAX_GROWTH_BYTES
        for wanted, stream in answers.values():
            check(wanted, stream)
            if wanted.is_plainly_greedy:
                check_greedy(wanted, stream, references[known.index(wanted.prompt)])
        await check_alone(gateway, answers)
        await check_whole_context(gateway)
        await becomes_empty(engine)


async def check_alone(gateway: Gateway, answers: dict[int, tuple[Request, Stream]]) -> None:
    """Some of them again, one by one: their seeds hold."""
    drawn = [number for number, (wanted, _) in answers.items() if wanted.patience is None]
    for number in random.Random(1).sample(drawn, 40):  # noqa: S311
        wanted, stream = answers[number]
        assert (await ask(gateway, wanted)).tokens == stream.tokens, number
    assert any(answers[number][0].sampling != Sampling(temperature=0.0) for number in drawn)
