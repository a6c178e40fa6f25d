"""How much room keys and values are given."""

import pytest

from serve_daemon.config.kv_cache import Geometry, Wishes, most_bytes, wanted_tokens


def test_the_bytes_of_a_token() -> None:
    """Keys and values, in every layer."""
    assert Geometry(30, 3, 64, 2, 8192).bytes_per_token == 2 * 30 * 3 * 64 * 2
    assert Geometry(30, 3, 64, 1, 8192, 4).bytes_per_token == 2 * 30 * 3 * (64 + 4)


@pytest.mark.parametrize(
    ("engine", "max_requests", "max_context", "tokens"),
    [
        ("continuous", 32, 1000, 32 * 1000),
        ("compiled", 32, 1000, 32 * 1000),
        ("continuous", 4, 100_000, 4 * 8192),
        # Where no context is asked for: slots are as long as the model allows, pages are shared.
        ("compiled", 32, 0, 32 * 8192),
        ("continuous", 32, 0, 32 * 2048),
        ("continuous", 2, 0, 8192),
    ],
)
def test_wanted_tokens(engine: str, max_requests: int, max_context: int, tokens: int) -> None:
    """Of a model with 8192 positions."""
    assert wanted_tokens(Wishes(engine, max_requests, max_context, 0), 8192) == tokens


@pytest.mark.parametrize("engine", ["continuous", "compiled"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_part_of_the_memory(engine: str, device: str) -> None:
    """More of it for a context that was asked for; what was asked for in bytes is not judged."""
    chosen = most_bytes(Wishes(engine, 4, 0, 0), 1000, device)
    asked = most_bytes(Wishes(engine, 4, 128, 0), 1000, device)
    assert 0 < chosen <= asked < 1000
    assert most_bytes(Wishes(engine, 4, 128, 5000), 1000, device) == 5000
