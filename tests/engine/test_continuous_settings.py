"""What the keys of engine `continuous` make of Transformers' manager, on each device."""

import copy
from typing import Any

import pytest

pytest.importorskip("torch")

from engine.driven import Driven
from engine.driven import settings as driven_settings
from engine.models import TINY_LLAMA
from serve_daemon.engine.continuous import settings
from serve_daemon.engine.continuous.memory import Pool
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.batching import Batching
from serve_daemon.wire.messages import EngineSpec, Reason, Submit
from serve_daemon.wire.sampling import Sampling

POOL = Pool(pages=10, page_tokens=32, max_context=320, bytes=1)


def spec(**batching: Any) -> EngineSpec:
    return EngineSpec(model="m", source="/m", device="cpu", batching=Batching(**batching))


def manager(device: str, **batching: Any) -> Any:
    return settings.manager_settings(spec(**batching), POOL, device)


def test_a_cpu_has_neither_graphs_nor_async_batching() -> None:
    """Transformers would warn of the one and fail for the other."""
    made = manager("cpu")
    assert (made.use_cuda_graph, made.use_async_batching) == (False, False)
    assert made.auto_switch_to_flash is False


@pytest.mark.parametrize("asked", [None, False, True])
def test_a_gpu_gets_what_was_asked_for(asked: bool | None) -> None:
    """None leaves it to Transformers, which decides by the attention."""
    made = manager("cuda:0", use_cuda_graph=asked, use_async_batching=asked)
    assert made.use_cuda_graph is asked
    assert made.use_async_batching is asked
    assert made.auto_switch_to_flash is True
    assert made.num_blocks == POOL.pages + 1


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_the_rest_is_the_same_everywhere(device: str) -> None:
    """Levels and sharing as they are, memory of the host in the manager's unit."""
    made = manager(device, default_compile_level=2, cpu_offload_space=3 * 2**30)
    assert made.default_compile_level == 2
    assert made.cpu_offload_space == 3.0
    assert made.allow_block_sharing is True


@pytest.mark.parametrize(
    "batching",
    [{"use_cuda_graph": True}, {"use_async_batching": True}, {"cpu_offload_space": 1}],
)
def test_what_takes_a_gpu_is_refused_on_a_cpu(batching: dict[str, Any]) -> None:
    """By its name; what is switched off, or left open, is no wish."""
    [key] = batching
    with pytest.raises(EngineError, match=f"{key} needs a GPU") as raised:
        settings.check(spec(**batching))
    assert raised.value.reason is Reason.CONFIG
    settings.check(spec(use_cuda_graph=False, use_async_batching=None))


def test_compiling_takes_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first step would fail with all that torch has to say about it."""
    settings.check(spec(default_compile_level=1))
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EngineError, match="install g"):
        settings.check(spec(default_compile_level=1))
    settings.check(spec())


@pytest.mark.model
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile imports
def test_a_compiled_model_says_the_same() -> None:
    """On a CPU too, whatever is sampled: the sampler is no part of what is compiled."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**TINY_LLAMA, attn_implementation="sdpa")).eval()
    samplings = [Sampling(temperature=0.0), Sampling(seed=3), Sampling(presence_penalty=1.0)]
    submits = [
        Submit(number, "", [number + 5] * (3 + 9 * number), 10, [], sampling)
        for number, sampling in enumerate(samplings)
    ]
    said = []
    for chosen in (0, 1):
        driven = Driven(copy.deepcopy(model), driven_settings(default_compile_level=chosen))
        said.append(driven.tokens(submits))
        driven.stop()
    assert said[0] == said[1]
    assert [len(tokens) for tokens in said[0]] == [10] * 3
