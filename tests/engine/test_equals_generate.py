"""Every engine beside Transformers' generate(): the same tokens, greedily, in float32."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.architectures import ARCHITECTURES, WINDOW, write_checkpoint
from engine.client import SMOLLM2, EngineProcess, Gateway
from engine.compiled_step import compile_step
from engine.models import VOCABULARY
from engine.reference import Continuation, first_difference, generate, is_near_tie
from serve_daemon.engine.engines import GENERATING
from serve_daemon.wire.messages import EngineSpec

pytestmark = [pytest.mark.model, pytest.mark.timeout(3600)]

FEW, ALL = 16, 64  # prompts
LENGTH = 24  # tokens after each prompt
MOST_NEAR_TIES = 2  # of all prompts


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tiny checkpoints lie, each in a folder of its name; whoever lacks one writes it."""
    return tmp_path_factory.mktemp("checkpoints")


def prompts(count: int, vocabulary: int) -> list[list[int]]:
    """Of 1 to 300 tokens, short and long ones mixed, some longer than a window."""
    chance = random.Random(7)  # noqa: S311 - the same in every run
    lengths = [1, 2, WINDOW - 1, WINDOW, WINDOW + 1, 300, 257, 64]
    lengths += [int(300 ** chance.random()) for _ in range(count - len(lengths))]
    return [[chance.randrange(3, vocabulary) for _ in range(length)] for length in lengths[:count]]


async def answers(engine: EngineProcess, questions: Sequence[list[int]]) -> list[list[list[int]]]:
    """Those given one by one, and those given all at once."""
    async with await Gateway.connect(engine.socket_path) as gateway:
        alone = [(await gateway.submit(each, LENGTH).done()).tokens for each in questions]
        together = [gateway.submit(each, LENGTH) for each in questions]
        await asyncio.gather(*(stream.done() for stream in together))
    return [alone, [stream.tokens for stream in together]]


def wrong(wanted: Sequence[Continuation], got: Sequence[list[int]]) -> dict[int, int]:
    """By prompt, the first token that differs though no other was as likely.

    With more than a few near ties, those count as well.
    """
    differing = {
        number: place
        for number, (each, tokens) in enumerate(zip(wanted, got, strict=True))
        if (place := first_difference(each, tokens)) is not None
    }
    if len(differing) > MOST_NEAR_TIES:
        return differing
    return {n: place for n, place in differing.items() if not is_near_tie(wanted[n], place)}


def cases() -> Iterator[Any]:
    """Every engine with every architecture; the few that tell most are for every change."""
    for engine, architecture in product(GENERATING, ARCHITECTURES):
        is_telling = engine == "compiled" or architecture in {"llama", "gemma3_text"}
        yield pytest.param(engine, architecture, FEW, marks=() if is_telling else pytest.mark.long)
        yield pytest.param(engine, architecture, ALL, marks=pytest.mark.long)


@pytest.mark.parametrize(("engine", "architecture", "count"), list(cases()))
async def test_every_architecture(
    engine: str, architecture: str, count: int, model_cache: Path, checkpoints: Path
) -> None:
    """With random weights, alone and all at once."""
    folder = checkpoints / architecture
    if not folder.exists():
        write_checkpoint(folder, architecture)
    questions = prompts(count, VOCABULARY)
    wanted = [generate(folder, each, LENGTH) for each in questions]
    assert len({tuple(each.tokens) for each in wanted}) > 0.9 * count
    spec = EngineSpec(
        model=architecture, source=str(folder), engine=engine, dtype="float32", max_requests=16
    )
    if count == ALL:
        compile_step(spec, model_cache)
    with EngineProcess(spec, model_cache) as process:
        process.ready()
        for got in await answers(process, questions):
            assert wrong(wanted, got) == {}


@pytest.mark.parametrize("count", [6, pytest.param(ALL, marks=pytest.mark.long)])
@pytest.mark.parametrize("engine", GENERATING)
async def test_smollm2(engine: str, count: int, model_cache: Path) -> None:
    """The real model, alone and all at once."""
    spec = EngineSpec("smollm2", SMOLLM2, engine=engine, dtype="float32", gguf="dequantize")
    if count == ALL:
        compile_step(spec, model_cache)
    with EngineProcess(spec, model_cache) as process:
        folder = Path(process.ready().artefacts)
        questions = prompts(count, 49_000)
        wanted = [generate(folder, each, LENGTH) for each in questions]
        for got in await answers(process, questions):
            assert wrong(wanted, got) == {}
