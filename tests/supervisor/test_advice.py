"""Which key to lower, and how far, where an engine has no room."""

from typing import Any

import pytest

from serve_daemon.config.tuning import Model
from serve_daemon.supervisor.advice import advise, size

MIB = 2**20
WEIGHTS = {"none": 800, "bnb-8bit": 400, "bnb-4bit": 200}


def need(model: Model) -> int | None:
    """1 MiB for the program, some for the weights, and 1 MiB for each 1024 tokens."""
    tokens = model.max_requests * min(model.max_context or 10240, 10240)
    cache = model.kv_cache_memory or tokens * MIB // 1024
    return (100 + WEIGHTS[model.quantization]) * MIB + cache


@pytest.mark.parametrize(
    ("keys", "room", "key", "text"),
    [
        ({"max_requests": 8}, 945, "max_requests", "lower max_requests from 8 to 4"),
        ({"max_requests": 1}, 905, "max_context", "set max_context = 5120"),
        (
            {"max_requests": 3, "max_context": 10240},
            903,
            "max_context",
            "lower max_requests to 1 and set max_context = 3072",
        ),
        (
            {"kv_cache_memory": 40 * MIB, "max_requests": 8},
            930,
            "kv_cache_memory",
            "lower kv_cache_memory to 30MiB",
        ),
        ({"max_requests": 1}, 850, "quantization", 'set quantization = "bnb-8bit"'),
        ({"max_requests": 1}, 350, "quantization", 'set quantization = "bnb-4bit"'),
        ({}, 300, "source", "use a smaller model"),
        ({"kv_cache_memory": 40 * MIB}, 300, "source", "use a smaller model"),
        ({"quantization": "bnb-8bit"}, 450, "source", "use a smaller model"),
    ],
)
def test_it_names_the_key_that_would_do(
    keys: dict[str, Any], room: int, key: str, text: str
) -> None:
    """The mildest one first: fewer or shorter sequences, smaller weights, another model."""
    advice = advise(Model(**keys), room * MIB, need, is_quantized=False)
    assert (advice.key, advice.text) == (key, text)


def test_what_is_quantized_already_is_not_to_be_quantized() -> None:
    """Its weights are as small as they get."""
    assert advise(Model(), 850 * MIB, need, is_quantized=True).key == "source"


def test_where_nothing_is_known_of_others_none_of_them_is_named() -> None:
    """An estimate that fails is no promise."""
    assert advise(Model(), 850 * MIB, lambda _model: None, is_quantized=False).key == "source"


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
