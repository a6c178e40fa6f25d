"""Hundreds of requests of all kinds through every engine: none is wrong, nothing is left behind."""

import asyncio
import random
from pathlib import Path

import psutil
import pytest
from msgspec import Struct

from engine.architectures import write_checkpoint
from engine.client import EngineProcess, Gateway, Stream
from engine.compiled_step import compile_step
from engine.gguf_files import BYTES_PER_TOKEN as OF_BLOCKS
from engine.gguf_files import write_gguf_in_blocks
from engine.models import BYTES_PER_TOKEN
from engine.random_requests import LONGEST_ANSWER, Request, check, impossible, prompts, request
from engine.reference import Continuation, first_difference, generate, is_near_tie
from serve_daemon.config.sources import GGUF_SUFFIX
from serve_daemon.engine.engines import GENERATING
from serve_daemon.engine.gguf import packed_file
from serve_daemon.engine.kernels import build
from serve_daemon.wire.messages import EngineSpec, Finish
from serve_daemon.wire.sampling import Sampling

pytestmark = [pytest.mark.model, pytest.mark.timeout(3600)]

MANY = 10_000  # requests
CONTEXT = 512
MAX_REQUESTS = 8
OPEN_REQUESTS = 40  # at a time, of which most wait
MAX_GROWTH_BYTES = 8 * 1024 * 1024  # of an engine's memory, for noise


class Model(Struct, frozen=True):
    """Where it is, and what each of its tokens has the engines remember, in bytes."""

    source: Path
    bytes_per_token: int


@pytest.fixture(scope="module", params=["float32", "blocks"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The same architecture with plain weights, and with those of a GGUF file as they are."""
    folder = tmp_path_factory.mktemp("llama")
    if request.param == "blocks":
        return Model(write_gguf_in_blocks(folder / "llama.gguf", "llama"), OF_BLOCKS)
    return Model(write_checkpoint(folder, "llama"), BYTES_PER_TOKEN)


@pytest.fixture(scope="module")
def references(model: Model, model_cache: Path) -> list[Continuation]:
    """What plain Transformers says after each prompt, by the weights that the engines have."""
    from serve_daemon.engine import loader

    spec = spec_of("continuous", model)
    folder = loader.load(spec, model.source, model_cache, lambda *_: None).folder
    return [generate(folder, each, LONGEST_ANSWER) for each in prompts()]


def spec_of(name: str, model: Model) -> EngineSpec:
    """An engine that can't hold as many tokens as its sequences have, where they share a pool."""
    return EngineSpec(
        model="tiny",
        source=str(model.source),
        engine=name,
        dtype="float32",
        max_requests=MAX_REQUESTS,
        max_context=CONTEXT,
        max_batch_tokens=64,
        kv_cache_memory=CONTEXT * model.bytes_per_token if name == "continuous" else 0,
    )


def check_operators(engine: EngineProcess, model: Model) -> None:
    """It computes by what is compiled of C++, and with the weights of a GGUF file as they are."""
    mapped = {Path(each.path) for each in psutil.Process(engine.process.pid).memory_maps()}
    libraries = {build.BUILT_AHEAD, *(engine.cache / "kernels").glob("*.so")}
    assert mapped & libraries
    in_blocks = {file.name for file in mapped} >= {packed_file.NAME}
    assert in_blocks == (model.source.suffix == GGUF_SUFFIX)


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


@pytest.mark.parametrize("count", [500, pytest.param(MANY, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", GENERATING)
async def test_random_requests(
    name: str, count: int, model: Model, references: list[Continuation], model_cache: Path
) -> None:
    """Each ends once and as asked, greedy ones as generate() does, all others as when alone."""
    spec = spec_of(name, model)
    if count == MANY:
        compile_step(spec, model_cache)
    with EngineProcess(spec, model_cache) as engine:
        assert engine.ready().max_context == CONTEXT
        async with await Gateway.connect(engine.socket_path) as gateway:
            answers = await ask_in_halves(engine, gateway, count)
            for wanted, stream in answers.values():
                check(wanted, stream)
                if wanted.is_plainly_greedy:
                    check_greedy(wanted, stream, references[prompts().index(wanted.prompt)])
            await check_alone(gateway, answers)
            await check_whole_context(gateway)
            await becomes_empty(engine)
            check_operators(engine, model)


async def ask_in_halves(
    engine: EngineProcess, gateway: Gateway, count: int
) -> dict[int, tuple[Request, Stream]]:
    """All answers; the second half takes no more memory than the first one has."""
    known, half = prompts(), count // 2
    answers = await ask_all(gateway, range(1, half + 1), known)
    await becomes_empty(engine)
    before = resident_bytes(engine)
    answers |= await ask_all(gateway, range(half + 1, count + 1), known)
    await becomes_empty(engine)
    assert resident_bytes(engine) - before < MAX_GROWTH_BYTES
    return answers


async def check_alone(gateway: Gateway, answers: dict[int, tuple[Request, Stream]]) -> None:
    """Some of them again, one by one: their seeds hold."""
    drawn = [number for number, (wanted, _) in answers.items() if wanted.patience is None]
    for number in random.Random(1).sample(drawn, 40):  # noqa: S311
        wanted, stream = answers[number]
        assert (await ask(gateway, wanted)).tokens == stream.tokens, number
    assert any(answers[number][0].sampling != Sampling(temperature=0.0) for number in drawn)
