"""The vectors that a fake engine makes of texts: short, and other ones for other tokens."""

import struct
from collections.abc import Sequence


def vector_of(tokens: Sequence[int], dimensions: int) -> list[float]:
    """Small whole numbers, of which float32 and JSON lose nothing."""
    return [
        float(sum((token + 1) * (place + number) for place, token in enumerate(tokens, 1)) % 1009)
        for number in range(dimensions)
    ]


def packed(vector: Sequence[float]) -> bytes:
    """As the wire carries it."""
    return struct.pack(f"<{len(vector)}f", *vector)
