"""What happens when the sequences that run don't fit into the KV pool: nothing that is seen."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from engine.client import EngineProcess, Gateway
from engine.models import BYTES_PER_TOKEN
from serve_daemon.wire.messages import EngineSpec
from serve_daemon.wire.sampling import Sampling

pytestmark = pytest.mark.model

PAGE_TOKENS = 32
PAGES = 8  # of which one sequence takes 6 in the end, and eight run at once


@pytest.fixture(scope="module")
def cramped(
    tiny_spec: EngineSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProcess]:
    memory_bytes = PAGES * PAGE_TOKENS * BYTES_PER_TOKEN
    spec = msgspec.structs.replace(tiny_spec, kv_cache_memory=memory_bytes, max_batch_tokens=64)
    with EngineProcess(spec, tmp_path_factory.mktemp("cache")) as process:
        process.ready()
        yield process


@pytest.fixture
async def gateway(cramped: EngineProcess) -> AsyncIterator[Gateway]:
    async with await Gateway.connect(cramped.socket_path) as connected:
        yield connected


def prompts() -> list[list[int]]:
    chance = random.Random(3)  # noqa: S311 - the same in every run
    return [[chance.randrange(300) for _ in range(chance.randrange(20, 60))] for _ in range(8)]


def sampling(number: int) -> Sampling:
    penalty = 0.5 * (number % 3)
    return Sampling(
        temperature=float(number % 2), seed=number, frequency_penalty=penalty, min_tokens=number
    )


def test_the_context_fits_into_the_pool(cramped: EngineProcess) -> None:
    """A sequence that could never be computed is not promised."""
    assert cramped.ready().max_context == PAGES * PAGE_TOKENS


async def test_sequences_that_were_set_back_lose_no_token(gateway: Gateway) -> None:
    """Greedy and sampled, penalized or not, all say what they say alone, each token once."""
    alone = [
        (await gateway.submit(prompt, 120, sampling(number)).done()).tokens
        for number, prompt in enumerate(prompts())
    ]
    together = [
        gateway.submit(prompt, 120, sampling(number)) for number, prompt in enumerate(prompts())
    ]
    assert [(await stream.done()).tokens for stream in together] == alone


async def test_a_cancelled_sequence_makes_room(cramped: EngineProcess, gateway: Gateway) -> None:
    """Those that wait for room get it, though none of the others ever ended."""
    streams = [gateway.submit(prompt, 180) for prompt in prompts()]
    await streams[0].begun()
    while len(streams[0].outputs) < 30:
        await streams[0].changed()
    for stream in streams[:-1]:
        gateway.cancel(stream)
    await streams[-1].done()
    assert len(streams[-1].tokens) == 180
    beat = await asyncio.to_thread(
        cramped.next_heartbeat, lambda beat: beat.running == beat.waiting == 0
    )
    assert beat.stalled_seconds == 0
