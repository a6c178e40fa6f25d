"""How well the engines foretell prose, beside plain Transformers with the same weights."""

import math
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from operator import eq
from pathlib import Path

import msgspec
import pytest

from engine.client import SMOLLM2
from engine.compiled_step import ENVIRONMENT, compile_step
from engine.gguf_files import gemma
from engine.perplexity import Foretold
from serve_daemon.engine.engines import GENERATING
from serve_daemon.wire.messages import EngineSpec

pytestmark = [pytest.mark.model, pytest.mark.long, pytest.mark.timeout(3600)]

NUM_TOKENS = 10_000
PROGRAM = (sys.executable, "-m", "engine.perplexity")


UNPACKED = EngineSpec(
    model="m", source=SMOLLM2, engine="transformers", dtype="float32", gguf="dequantize"
)


def perplexity(model_cache: Path, engine: str, dtype: str, quantization: str = "none") -> float:
    """With the exactly de-quantized weights."""
    changes = {"engine": engine, "dtype": dtype, "quantization": quantization}
    told = foretold(model_cache, msgspec.structs.replace(UNPACKED, **changes))
    return math.exp(-told.mean)


@cache
def foretold(model_cache: Path, spec: EngineSpec) -> Foretold:
    compile_step(spec, model_cache)
    ran = subprocess.run(
        [*PROGRAM, str(model_cache), str(NUM_TOKENS)],
        input=msgspec.json.encode(spec),
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
        check=True,
    )
    return msgspec.json.decode(ran.stdout, type=Foretold)


@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.005)])
def test_a_type_costs_no_more_than_its_rounding(
    engine: str, dtype: str, tolerance: float, model_cache: Path
) -> None:
    """In float32 nothing, in bfloat16 half a percent."""
    exact = perplexity(model_cache, "transformers", "float32")
    assert perplexity(model_cache, engine, dtype) == pytest.approx(exact, rel=tolerance)


def test_keys_and_values_in_8_bits_cost_little(model_cache: Path) -> None:
    """Two thousandths beside those in bfloat16."""
    spec = msgspec.structs.replace(UNPACKED, engine="compiled", dtype="bfloat16")
    plain = foretold(model_cache, spec)
    rounded = foretold(model_cache, msgspec.structs.replace(spec, kv_cache_dtype="int8"))
    assert math.exp(-rounded.mean) == pytest.approx(math.exp(-plain.mean), rel=0.002)


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


@pytest.mark.parametrize("engine", GENERATING)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("make_source", [lambda _: SMOLLM2, gemma], ids=["SmolLM2", "Gemma 3"])
def test_weights_in_blocks_foretell_as_well(
    engine: str, dtype: str, make_source: Callable[[Path], str], model_cache: Path
) -> None:
    """Within half a percent of the unpacked model in float32, and with the same choices."""
    unpacked = msgspec.structs.replace(UNPACKED, source=make_source(model_cache))
    exact = foretold(model_cache, unpacked)
    kept = msgspec.structs.replace(unpacked, engine=engine, dtype=dtype, gguf="keep")
    got = foretold(model_cache, kept)
    assert math.exp(-got.mean) == pytest.approx(math.exp(-exact.mean), rel=0.005)
    same = sum(map(eq, got.choices, exact.choices))
    assert same / len(exact.choices) >= 0.95
