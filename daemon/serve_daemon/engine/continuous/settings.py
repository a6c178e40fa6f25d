"""What a spec leaves open, decided for the model and the machine, in the manager's own words."""

from typing import Any

from serve_daemon.engine.continuous import memory
from serve_daemon.engine.continuous.manager import SCHEDULER
from serve_daemon.engine.continuous.versions import manager_config
from serve_daemon.engine.errors import EngineError
from serve_daemon.engine.geometry import available_bytes, geometry_of
from serve_daemon.engine.loader import Loaded
from serve_daemon.wire.messages import EngineSpec, Reason

ATTENTIONS = ("auto", "sdpa", "eager", "flash_attention_2", "flash_attention_3")

# Tokens of one step: a long prompt is cut, so that others' tokens don't wait for all of it.
CPU_BATCH_TOKENS = 256
ACCELERATOR_BATCH_TOKENS = 2048


def check(spec: EngineSpec) -> None:
    """Raise `EngineError` for what no continuous batching can do, before anything is loaded."""
    wanted = spec.attn_implementation
    if wanted not in ATTENTIONS:
        raise EngineError(
            Reason.CONFIG,
            f"attn_implementation '{wanted}' does not work with engine 'continuous';"
            f" use one of {', '.join(ATTENTIONS)}",
        )


def pool_for(loaded: Loaded, spec: EngineSpec) -> memory.Pool:
    wishes = memory.Wishes(
        max_requests=spec.max_requests,
        max_context=spec.max_context,
        kv_cache_memory=spec.kv_cache_memory,
    )
    kind = loaded.device.partition(":")[0]
    return memory.plan(geometry_of(loaded.model), wishes, available_bytes(loaded.device), kind)


def manager_settings(spec: EngineSpec, pool: memory.Pool, device: str) -> Any:
    usual = CPU_BATCH_TOKENS if device == "cpu" else ACCELERATOR_BATCH_TOKENS
    return manager_config(
        page_size=pool.page_tokens,
        num_blocks=pool.pages,
        max_batch_tokens=max(spec.max_batch_tokens or usual, spec.max_requests),
        max_memory_percent=0.95,
        max_requests_per_batch=spec.max_requests,
        allow_block_sharing=True,
        use_async_batching=False,
        use_cuda_graph=False,  # a captured graph would freeze the sampler's choice of path
        auto_switch_to_flash=device != "cpu" and spec.attn_implementation == "auto",
        scheduler_type=SCHEDULER,
    )
