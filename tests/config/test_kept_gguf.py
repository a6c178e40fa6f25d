"""Which weights of a GGUF file stay in their blocks, and how many bytes they take."""

import pytest

from serve_daemon.config.gguf_header import GgufTensor
from serve_daemon.config.kept_gguf import hindrance, is_fast, packed_bytes


@pytest.mark.parametrize(
    ("kind", "shape", "size"),
    [
        (2, (64, 64), 64 * 2 * 18),
        (8, (33, 64), 64 * 2 * 34),  # rows are filled up to a panel
        (12, (32, 512), 32 * 2 * 148),
        (12, (32, 288), 0),  # no whole blocks
        (8, (4, 32, 64), 0),  # experts
        (8, (64,), 0),
        (0, (64, 64), 0),  # float32
        (10, (32, 512), 0),  # Q2_K, which no operator reads
    ],
)
def test_what_a_tensor_takes(kind: int, shape: tuple[int, ...], size: int) -> None:
    """0 where it can't stay in its blocks."""
    assert packed_bytes(GgufTensor("a", shape, kind, 0)) == size


@pytest.mark.parametrize(
    ("engine", "quantization", "dtype", "on_cpu", "key"),
    [
        ("compiled", "none", "bfloat16", True, None),
        ("continuous", "none", "float32", True, None),
        ("embedding", "none", "float32", True, "engine"),
        ("compiled", "bnb-8bit", "float32", True, "quantization"),
        ("compiled", "none", "float16", True, "dtype"),
        ("compiled", "none", "bfloat16", False, "device"),
    ],
)
def test_what_is_in_the_way(
    engine: str, quantization: str, dtype: str, key: str | None, *, on_cpu: bool
) -> None:
    """The key to change is named."""
    found = hindrance(engine, quantization, dtype, on_cpu=on_cpu)
    assert (found and found[0]) == key


def test_a_cpu_without_vectors_is_not_fast() -> None:
    """Code was written for AVX2 at least."""
    assert is_fast(frozenset({"fma", "f16c", "avx2", "sse2"}))
    assert not is_fast(frozenset({"avx"}))
