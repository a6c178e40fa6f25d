"""Vectors as engines send them and as clients get them. Pure."""

import base64

import numpy as np

from serve_daemon.api.embeddings import Encoding
from serve_daemon.gateway.http.frames import encode

VALUE_BYTES = 4  # float32, little-endian


def split(vectors: bytes, count: int) -> list[bytes]:
    """So many vectors that stand one after the other."""
    size = len(vectors) // count
    return [vectors[start : start + size] for start in range(0, size * count, size)]


def cut(vector: bytes, dimensions: int) -> bytes:
    """Its first values, at length 1: a vector of fewer dimensions (arXiv 2205.13147)."""
    if len(vector) <= dimensions * VALUE_BYTES:
        return vector
    values = np.frombuffer(vector, "<f4", dimensions)
    length = float(np.linalg.norm(values.astype(np.float64)))
    return (values / length).astype("<f4").tobytes() if length else values.tobytes()


def written(vector: bytes, encoding: Encoding) -> bytes:
    """As JSON."""
    if encoding == "base64":
        return b'"' + base64.b64encode(vector) + b'"'
    return encode(np.frombuffer(vector, "<f4").tolist())
