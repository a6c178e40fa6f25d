"""How many tokens a slot holds."""

import pytest

from serve_daemon.config.kv_cache import Wishes
from serve_daemon.engine.compiled.memory import Pool, plan
from serve_daemon.engine.errors import EngineError
from serve_daemon.wire.messages import Reason

GIB = 1024**3


def test_the_whole_context_where_it_fits() -> None:
    """All slots as long as the model allows."""
    pool = plan(1000, 2048, Wishes("compiled", 4, 0, 0), GIB, "cpu")
    assert pool == Pool(slots=4, max_context=2048, bytes=4 * 2048 * 1000)


def test_less_where_memory_is_short() -> None:
    """Half of what a CPU has free, in whole granules of 64 tokens."""
    pool = plan(1000, 100_000, Wishes("compiled", 4, 0, 0), 10_000_000, "cpu")
    assert pool.max_context == 1216
    assert pool.bytes <= 5_000_000


def test_what_was_asked_for_is_a_limit() -> None:
    """A shorter context takes less."""
    assert plan(1000, 4096, Wishes("compiled", 2, 512, 0), GIB, "cpu").max_context == 512


def test_kv_cache_memory_decides_where_it_is_set() -> None:
    """Whatever is free."""
    assert plan(1000, 4096, Wishes("compiled", 2, 0, 640_000), GIB, "cuda").max_context == 320


def test_a_context_that_does_not_fit_is_refused() -> None:
    """With the keys to change."""
    with pytest.raises(EngineError, match="lower max_context or max_requests") as refused:
        plan(1000, 8192, Wishes("compiled", 32, 4096, 1_000_000), GIB, "cpu")
    assert refused.value.reason is Reason.MEMORY
