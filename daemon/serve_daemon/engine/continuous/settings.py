"""What a spec leaves open, decided for the model and the machine, in the manager's own words."""

import shutil
from typing import Any

from serve_daemon.config import attention
from serve_daemon.config.batching import GPU_KEYS
from serve_daemon.config.kv_cache import Wishes
from serve_daemon.engine.budget import step_tokens
from serve_daemon.engine.continuous import memory, scheduler
from serve_daemon.engine.continuous.versions import manager_config
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.geometry import available_bytes, geometry_of
from serve_daemon.engine.loader import Loaded, choose_device
from serve_daemon.wire.batching import Batching
from serve_daemon.wire.messages import EngineSpec, Reason

# What is compiled on a CPU sees sizes in multiples of these tokens.
CPU_QUERY_PADDING = 16
CPU_KEY_PADDING = 512

COMPILERS = ("c++", "g++", "clang++")
GIBIBYTE = 2**30


def check(spec: EngineSpec) -> None:
    """Raise `EngineError` for what no continuous batching can do, before anything is loaded."""
    if problem := attention.problem_of("continuous", spec.attn_implementation):
        raise EngineError(Reason.CONFIG, f"attn_implementation {problem}")
    if choose_device(spec.device) == "cpu":
        _check_cpu(spec.batching)
    if spec.batching.default_compile_level and not any(map(shutil.which, COMPILERS)):
        raise EngineError(
            Reason.CONFIG,
            "default_compile_level needs a C++ compiler; install g++, or remove it",
        )


def _check_cpu(batching: Batching) -> None:
    for key in GPU_KEYS:
        if getattr(batching, key):
            raise EngineError(
                Reason.CONFIG, f"{key} needs a GPU, and the model runs on the CPU; remove it"
            )


def pool_for(loaded: Loaded, spec: EngineSpec) -> memory.Pool:
    wishes = Wishes(
        engine=spec.engine,
        max_requests=spec.max_requests,
        max_context=spec.max_context,
        kv_cache_memory=spec.kv_cache_memory,
    )
    kind = loaded.device.partition(":")[0]
    return memory.plan(geometry_of(loaded.model), wishes, available_bytes(loaded.device), kind)


def manager_settings(spec: EngineSpec, pool: memory.Pool, device: str) -> Any:
    """What Transformers' manager works by; what is None there it chooses by the attention."""
    on_cpu, batching = device == "cpu", spec.batching
    return manager_config(
        page_size=pool.page_tokens,
        # Ahead of its end a sequence may be computed for one token more than it gets.
        num_blocks=pool.pages if on_cpu else pool.pages + 1,
        max_batch_tokens=step_tokens(spec, device),
        max_memory_percent=0.95,
        max_requests_per_batch=spec.max_requests,
        allow_block_sharing=spec.allow_block_sharing,
        use_async_batching=False if on_cpu else batching.use_async_batching,
        use_cuda_graph=False if on_cpu else batching.use_cuda_graph,
        default_compile_level=batching.default_compile_level,
        q_padding_interval_size=CPU_QUERY_PADDING if on_cpu else 0,
        kv_padding_interval_size=CPU_KEY_PADDING if on_cpu else 0,
        cpu_offload_space=batching.cpu_offload_space / GIBIBYTE,
        auto_switch_to_flash=not on_cpu and spec.attn_implementation == "auto",
        scheduler_type=scheduler.NAME,
    )
