"""Which key to lower, and how far, where an engine has no room."""

from typing import Any

import pytest

from serve_daemon.config.estimate import Estimate
from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.advice import advise, size

GIB = 2**30
ESTIMATE = Estimate(program=1 * GIB, weights=8 * GIB, kv_cache=4 * GIB, workspace=1 * GIB)


@pytest.mark.parametrize(
    ("keys", "room", "key", "text"),
    [
        ({"max_requests": 8}, 12, "max_requests", "lower max_requests from 8 to 4"),
        ({"max_requests": 1, "max_context": 4096}, 11, "max_context", "lower max_context to 1024"),
        (
            {"max_requests": 3, "max_context": 4096},
            11,
            "max_context",
            "lower max_requests to 1 and lower max_context to 3072",
        ),
        ({"max_requests": 1}, 12, "max_context", "set a small max_context"),
        (
            {"kv_cache_memory": 4 * GIB, "max_requests": 8},
            13,
            "kv_cache_memory",
            "lower kv_cache_memory to 3.0GiB",
        ),
        ({}, 9, "quantization", 'set quantization = "bnb-8bit"'),
        ({}, 6, "quantization", 'set quantization = "bnb-4bit"'),
        ({}, 5, "source", "use a smaller model"),
        ({"quantization": "bnb-8bit"}, 9, "source", "use a smaller model"),
    ],
)
def test_it_names_the_key_that_would_do(
    keys: dict[str, Any], room: int, key: str, text: str
) -> None:
    """The mildest one first: fewer or shorter sequences, smaller weights, another model."""
    advice = advise(Model(**keys), ESTIMATE, room * GIB, is_quantized=False)
    assert (advice.key, advice.text) == (key, text)


def test_what_is_quantized_already_is_not_to_be_quantized() -> None:
    """Its weights are as small as they get."""
    assert advise(Model(), ESTIMATE, 9 * GIB, is_quantized=True).key == "source"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1536, "1.5KiB"),
        (3 * 2**20, "3.0MiB"),
        (5 * 2**41, "10240.0GiB"),
    ],
)
def test_sizes_are_as_the_file_has_them(count: int, shown: str) -> None:
    """So that they may be copied."""
    assert size(count) == shown
