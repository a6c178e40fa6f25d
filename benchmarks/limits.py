"""What a device can do at best, and what a step of a decoder asks of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serve_daemon.engine.geometry import geometry_of

READ_BYTES = 512 * 1024 * 1024  # more than any cache holds
SQUARE = {"cpu": 1024, "cuda": 8192}
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a device, measured just now with every thread that torch has."""

    bytes_per_second: float
    operations_per_second: float  # of multiplying bfloat16 matrices


@dataclass(frozen=True, slots=True)
class Demand:
    """Of one decode step, whose sequences get one token each."""

    bytes_read: float
    operations: float

    def seconds_at(self, limits: Limits) -> tuple[float, float]:
        """At best, for the bytes and for the operations."""
        by_bytes = self.bytes_read / limits.bytes_per_second
        return by_bytes, self.operations / limits.operations_per_second


def measure(device: str) -> Limits:
    return Limits(read_rate(device), multiply_rate(device))


def read_rate(device: str) -> float:
    """Bytes per second: of summing on a CPU, of a copy, which reads and writes, on a GPU."""
    import torch

    source = torch.ones(READ_BYTES // 4, dtype=torch.float32, device=device)
    if device == "cpu":
        return READ_BYTES / _best_seconds(source.sum, device)
    target = torch.empty_like(source)
    return 2 * READ_BYTES / _best_seconds(lambda: target.copy_(source), device)


def multiply_rate(device: str) -> float:
    """Operations per second, a multiplication and an addition being two."""
    import torch

    size = SQUARE[device.partition(":")[0]]
    left = torch.randn(size, size, device=device).to(torch.bfloat16)
    right = torch.randn(size, size, device=device).to(torch.bfloat16)
    return float(2 * size**3) / _best_seconds(lambda: left @ right, device)


def _best_seconds(work: Callable[[], Any], device: str) -> float:
    import torch

    def synchronize() -> None:
        if device != "cpu":
            torch.cuda.synchronize(device)

    found = []
    for _ in range(REPEATS + 1):  # the first warms up
        synchronize()
        start = time.perf_counter()
        work()
        synchronize()
        found.append(time.perf_counter() - start)
    return min(found[1:])


def demand_of(model: Any, weights_bytes: int, num_streams: int, context_tokens: int) -> Demand:
    """Weights once, as many bytes as the engine says, and each sequence's keys and values."""
    config, geometry = model.config.get_text_config(), geometry_of(model)
    read = weights_bytes
    if not config.tie_word_embeddings:  # one row a token is read of it
        embedding = model.get_input_embeddings()
        read -= sum(each.nbytes for each in (*embedding.parameters(), *embedding.buffers()))
    tokens = num_streams * context_tokens
    attention = 4 * geometry.layers * config.num_attention_heads * geometry.head_size * tokens
    return Demand(
        bytes_read=float(read + tokens * geometry.bytes_per_token),
        operations=2.0 * _multiplied_weights(config, geometry.head_size) * num_streams + attention,
    )


def _multiplied_weights(config: Any, head_size: int) -> int:
    """Of a Llama's layers and its head, by which every token is multiplied."""
    queries = config.num_attention_heads * head_size
    keys = (getattr(config, "num_key_value_heads", None) or config.num_attention_heads) * head_size
    hidden = config.hidden_size
    layer = 2 * hidden * (queries + keys) + 3 * hidden * config.intermediate_size
    return int(config.num_hidden_layers * layer + config.vocab_size * hidden)
