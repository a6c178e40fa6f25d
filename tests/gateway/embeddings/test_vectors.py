"""Vectors on their way to a client."""

import base64
import json
import struct

import pytest

from serve_daemon.gateway.embeddings.vectors import cut, split, written


def packed(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def test_a_frame_is_split_into_its_vectors() -> None:
    """They are all as long."""
    assert split(packed(1, 2, 3, 4, 5, 6), 3) == [packed(1, 2), packed(3, 4), packed(5, 6)]


def test_fewer_dimensions_have_length_1() -> None:
    """All that there are stay as they came; a vector of nothing stays nothing."""
    assert cut(packed(3, 4, 12), 2) == packed(0.6, 0.8)
    assert cut(packed(3, 4, 12), 3) == packed(3, 4, 12)
    assert cut(packed(0, 0, 1), 2) == packed(0, 0)


def test_a_vector_is_written_in_either_form() -> None:
    """Both say the same float32 values, to the last bit."""
    vector = packed(0.1, -2.5e-8, 1)
    assert json.loads(written(vector, "float")) == list(struct.unpack("<3f", vector))
    assert base64.b64decode(json.loads(written(vector, "base64"))) == vector


def test_fewer_dimensions_keep_their_direction() -> None:
    """As float32."""
    values = struct.unpack("<2f", cut(packed(1e-20, 1e-20, 5), 2))
    assert values == pytest.approx([0.5**0.5] * 2)
