"""Engines that the tests of this directory share; each is started when first asked for."""

import ctypes
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.client import SMOLLM2, EngineProcess, Gateway
from engine.models import write_config, write_tokenizer
from serve_daemon.engine import engines
from serve_daemon.wire.messages import EngineSpec


@pytest.fixture(scope="session")
def tiny_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a model with two small layers, a token for each byte, and no weights."""
    return write_tokenizer(write_config(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def tiny_spec(tiny_config: Path) -> EngineSpec:
    return EngineSpec(model="tiny", source=str(tiny_config), load_format="dummy", max_requests=8)


@pytest.fixture(scope="session", params=engines.GENERATING)
def tiny(
    request: pytest.FixtureRequest, tiny_spec: EngineSpec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineProcess]:
    """Each engine with random weights, for what doesn't depend on what a model says."""
    spec = msgspec.structs.replace(tiny_spec, engine=request.param)
    with EngineProcess(spec, tmp_path_factory.mktemp("cache")) as process:
        process.ready()
        yield process


@pytest.fixture
async def gateway(tiny: EngineProcess) -> AsyncIterator[Gateway]:
    """A connection to `tiny` of the test's own."""
    async with await Gateway.connect(tiny.socket_path) as connected:
        yield connected


@pytest.fixture(scope="session")
def smollm2_float32(model_cache: Path) -> Iterator[EngineProcess]:
    """The real model, in the type in which answers are reproducible to the last bit."""
    spec = EngineSpec(model="smollm2", source=SMOLLM2, dtype="float32", gguf="dequantize")
    with EngineProcess(spec, model_cache) as process:
        process.ready()
        yield process


@pytest.fixture(scope="session")
def smollm2_bfloat16(model_cache: Path) -> Iterator[EngineProcess]:
    spec = EngineSpec(model="smollm2", source=SMOLLM2, dtype="bfloat16", gguf="dequantize")
    with EngineProcess(spec, model_cache) as process:
        process.ready()
        yield process


@pytest.fixture(scope="module")
def library(model_cache: Path) -> ctypes.CDLL:
    """The operators in C++, which torch then computes with."""
    from serve_daemon.engine.kernels import build

    assert build.load(model_cache)
    found = build.library()
    assert found is not None
    return found


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """How many threads torch computes with in this test."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
