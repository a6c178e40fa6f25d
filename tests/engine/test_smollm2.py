"""The real model through the real program: what it says, alone and with 16 at once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from engine.client import EngineProcess, Gateway
from serve_daemon.wire.messages import EngineReady, Finish
from serve_daemon.wire.sampling import Sampling

pytestmark = pytest.mark.model

TOPICS = (
    *("cats", "rivers", "moons", "bread", "trains", "Rome", "winter", "music"),
    *("chess", "bees", "gold", "maps", "rain", "ships", "paint", "salt"),
)
END = 2  # <|im_end|>
LENGTH = 24


def tokenizer_of(ready: EngineReady) -> Tokenizer:
    return Tokenizer.from_file(str(Path(ready.artefacts) / "tokenizer.json"))


def prompts(ready: EngineReady, *questions: str) -> list[list[int]]:
    tokenizer = tokenizer_of(ready)
    return [
        tokenizer.encode(
            f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
            add_special_tokens=False,
        ).ids
        for question in questions
    ]


async def alone_and_together(
    engine: EngineProcess, sampling: Sampling, topics: Sequence[str] = TOPICS
) -> int:
    """How many answers are the same when given one by one and all at once."""
    questions = prompts(engine.ready(), *(f"Tell me about {topic}." for topic in topics))
    async with await Gateway.connect(engine.socket_path) as gateway:
        alone = [
            (await gateway.submit(prompt, LENGTH, sampling, (END,)).done()).tokens
            for prompt in questions
        ]
        together = [gateway.submit(prompt, LENGTH, sampling, (END,)) for prompt in questions]
        await asyncio.gather(*(stream.done() for stream in together))
    pairs = zip(alone, together, strict=True)
    return sum(tokens == stream.tokens for tokens, stream in pairs)


async def test_it_answers(smollm2_float32: EngineProcess) -> None:
    """The capital of France is Paris, and then it stops."""
    ready = smollm2_float32.ready()
    [prompt] = prompts(ready, "What is the capital of France?")
    async with await Gateway.connect(smollm2_float32.socket_path) as gateway:
        stream = await gateway.submit(prompt, 40, stop_tokens=tuple(ready.eos_tokens)).done()
    assert tokenizer_of(ready).decode(stream.tokens) == "The capital of France is Paris."
    assert stream.finish is Finish.STOP
    assert stream.tokens[-1] == END


async def test_greedy_answers_are_the_same_in_company(smollm2_float32: EngineProcess) -> None:
    """All 16 in float32."""
    assert await alone_and_together(smollm2_float32, Sampling(temperature=0.0)) == 16


async def test_sampled_answers_are_the_same_in_company(smollm2_float32: EngineProcess) -> None:
    """A seed holds whatever shares the batch."""
    sampling = Sampling(temperature=0.8, top_p=0.95, seed=7)
    assert await alone_and_together(smollm2_float32, sampling, TOPICS[:4]) == 4


async def test_bfloat16_answers_are_the_same_in_company(smollm2_bfloat16: EngineProcess) -> None:
    """At least 14 of 16: other CPUs' kernels may round a row by its neighbours."""
    assert await alone_and_together(smollm2_bfloat16, Sampling(temperature=0.0)) >= 14


def test_the_artefacts_are_what_a_gateway_needs(smollm2_float32: EngineProcess) -> None:
    """Tokenizer, template and configs, though the source is one GGUF file."""
    folder = Path(smollm2_float32.ready().artefacts)
    assert {path.name for path in folder.iterdir()} >= {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
    }
