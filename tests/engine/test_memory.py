"""How large the KV pool is made."""

import pytest

from serve_daemon.config.kv_cache import Geometry, Wishes
from serve_daemon.engine.continuous.memory import plan
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

MIB = 1024 * 1024
SMALL = Geometry(
    layers=2, key_value_heads=2, head_size=16, bytes_per_value=4, max_positions=8192
)  # 512 bytes a token


def wishes(max_requests: int = 32, max_context: int = 0, kv_cache_memory: int = 0) -> Wishes:
    return Wishes("continuous", max_requests, max_context, kv_cache_memory)


@pytest.mark.parametrize(
    ("wish", "available", "device", "tokens", "max_context"),
    [
        # A usual context for each, and at least one whole context.
        (wishes(32), 1024 * MIB, "cpu", 32 * 2048, 8192),
        (wishes(2), 1024 * MIB, "cpu", 8192, 8192),
        (wishes(32, 100), 1024 * MIB, "cpu", 32 * 100, 100),
        (wishes(32), 1024 * MIB, "cuda", 32 * 2048, 8192),
        # A part of what there is: more of it for a context that was asked for.
        (wishes(32), 8 * MIB, "cpu", 4096, 4096),
        (wishes(32), 16 * MIB, "cuda", int(0.8 * 16 * MIB / 512) // 256 * 256, 8192),
        (wishes(32, 4096), 8 * MIB, "cpu", int(0.9 * 8 * MIB / 512) // 32 * 32, 4096),
        # What was asked for.
        (wishes(32, 0, MIB), 1024 * MIB, "cpu", 2048, 2048),
        (wishes(1, 50, MIB), 1024 * MIB, "cpu", 2048, 50),
        (wishes(32, 100_000), 1024 * MIB, "cpu", 32 * 8192, 8192),
    ],
)
def test_plan(wish: Wishes, available: int, device: str, tokens: int, max_context: int) -> None:
    """Room for what is asked for, else for what is usual, and never a context that doesn't fit."""
    pool = plan(SMALL, wish, available, device)
    assert pool.pages * pool.page_tokens == tokens
    assert pool.bytes == tokens * 512
    assert pool.max_context == max_context


def test_too_little_memory_is_an_error() -> None:
    """Not a pool that no sequence fits into."""
    with pytest.raises(EngineError, match="raise kv_cache_memory") as failure:
        plan(SMALL, wishes(kv_cache_memory=1000), 1024 * MIB, "cpu")
    assert failure.value.reason is Reason.MEMORY
