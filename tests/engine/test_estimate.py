"""What an engine is expected to take of memory, and what it took at its most."""

import asyncio
import sys
from pathlib import Path

import pytest

from engine.client import SMOLLM2, EngineProcess, Gateway
from serve_daemon.config import probe
from serve_daemon.config.estimate import Estimate, estimate
from serve_daemon.config.located import located
from serve_daemon.config.tuning import Model
from serve_daemon.engine import convert
from serve_daemon.engine.engines import GENERATING
from serve_daemon.engine.gguf import tokenizer
from serve_daemon.wire.messages import EngineSpec

pytestmark = pytest.mark.model

MIB = 2**20
TOLERANCE = 0.15
OUTPUT_TOKENS = 64
QUANTIZATIONS = {"bf16": "none", "GGUF": "none", "bnb-4bit": "bnb-4bit", "bnb-8bit": "bnb-8bit"}


def model_of(weights: str, engine: str, cache: Path) -> Model:
    """SmolLM2 in its GGUF file, or in the safetensors in bfloat16 that are made of it."""
    gguf = located(SMOLLM2)
    assert gguf is not None
    plain = convert.destination(gguf, cache / "converted", "bfloat16")
    if weights != "GGUF" and not plain.exists():
        convert.convert_in_child(gguf, plain, "bfloat16", tokenizer.ready(gguf, cache))
    return Model.model_validate(
        {
            "source": SMOLLM2 if weights == "GGUF" else str(plain),
            "engine": engine,
            "dtype": "bfloat16",
            "quantization": QUANTIZATIONS[weights],
            "max_requests": 8,
            "max_context": 512,
        }
    )


async def measured(model: Model, cache: Path) -> tuple[Estimate, int]:
    """What is expected of `model`, and its peak once every sequence was as long as it may get."""
    spec = EngineSpec(
        model="smollm2",
        source=model.source,
        engine=model.engine,
        dtype=model.dtype,
        quantization=model.quantization,
        max_requests=model.max_requests,
        max_context=model.max_context,
    )
    with EngineProcess(spec, cache) as engine:
        ready = engine.ready()
        async with await Gateway.connect(engine.socket_path) as gateway:
            streams = [
                gateway.submit(prompt, OUTPUT_TOKENS) for prompt in prompts(model, ready.vocabulary)
            ]
            await asyncio.gather(*(stream.done() for stream in streams))
        beat = await asyncio.to_thread(engine.next_heartbeat, lambda _beat: True)
    machine = probe.cached(str(cache), "")
    assert machine is not None
    expected = estimate(model, machine)
    assert expected is not None
    return expected, beat.peak_bytes


def prompts(model: Model, vocabulary: int) -> list[list[int]]:
    """No two alike, and all together use the whole vocabulary."""
    length = model.max_context - OUTPUT_TOKENS
    step = vocabulary // (length * model.max_requests)
    return [
        [(place * model.max_requests + number) * step + 3 for place in range(length)]
        for number in range(model.max_requests)
    ]


def check(case: str, expected: Estimate, peak_bytes: int) -> None:
    """Say what was found, in MiB, then judge it."""
    parts = (expected.program, expected.weights, expected.kv_cache, expected.workspace)
    told = " + ".join(str(part // MIB) for part in parts)
    off = expected.total / peak_bytes - 1
    line = f"{case}: {told} = {expected.total // MIB} MiB, peak {peak_bytes // MIB}, {off:+.1%}"
    sys.stdout.write(f"{line}\n")
    assert abs(off) <= TOLERANCE, line


async def test_an_estimate_is_near_the_peak(model_cache: Path, tmp_path: Path) -> None:
    """Of one case, for every change; of a first start, as a later one may take less."""
    expected, peak_bytes = await measured(model_of("GGUF", "compiled", model_cache), tmp_path)
    check("GGUF compiled", expected, peak_bytes)


@pytest.mark.long
@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize("weights", QUANTIZATIONS)
async def test_every_estimate_is_near_the_peak(
    weights: str, engine: str, model_cache: Path, tmp_path: Path
) -> None:
    """Whatever the weights are quantized by, with either engine; of a first start."""
    expected, peak_bytes = await measured(model_of(weights, engine, model_cache), tmp_path)
    check(f"{weights} {engine}", expected, peak_bytes)
