"""How well the engines foretell prose, beside plain Transformers with the same weights."""

import math
import subprocess
import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest

from engine.client import SMOLLM2
from engine.compiled_step import ENVIRONMENT, compile_step
from serve_daemon.engine.engines import GENERATING
from serve_daemon.wire.messages import EngineSpec

pytestmark = [pytest.mark.model, pytest.mark.long, pytest.mark.timeout(3600)]

NUM_TOKENS = 10_000
PROGRAM = (sys.executable, "-m", "engine.perplexity")


@cache
def perplexity(model_cache: Path, engine: str, dtype: str, quantization: str = "none") -> float:
    spec = EngineSpec(
        model="m", source=SMOLLM2, engine=engine, dtype=dtype, quantization=quantization
    )
    compile_step(spec, model_cache)
    ran = subprocess.run(
        [*PROGRAM, str(model_cache), str(NUM_TOKENS)],
        input=msgspec.json.encode(spec),
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        check=True,
    )
    return math.exp(-float(ran.stdout))


@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.005)])
def test_a_type_costs_no_more_than_its_rounding(
    engine: str, dtype: str, tolerance: float, model_cache: Path
) -> None:
    """In float32 nothing, in bfloat16 half a percent."""
    exact = perplexity(model_cache, "transformers", "float32")
    assert perplexity(model_cache, engine, dtype) == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize("quantization", ["bnb-4bit", "bnb-8bit"])
def test_a_quantization_costs_what_it_costs_in_transformers(
    engine: str, quantization: str, model_cache: Path
) -> None:
    """Within one percent."""
    pytest.importorskip("bitsandbytes")
    wanted = perplexity(model_cache, "transformers", "bfloat16", quantization)
    got = perplexity(model_cache, engine, "bfloat16", quantization)
    assert got == pytest.approx(wanted, rel=0.01)
    assert wanted > perplexity(model_cache, "transformers", "float32")
