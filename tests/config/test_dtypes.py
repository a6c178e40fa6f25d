"""Which type a model computes in."""

import pytest

from serve_daemon.config.dtypes import has_bf16, resolve


@pytest.mark.parametrize(
    ("asked", "checkpoint", "device", "cpu_has_bf16", "answer"),
    [
        ("auto", "bfloat16", "cpu", True, "bfloat16"),
        ("auto", "bfloat16", "cpu", False, "float32"),
        ("auto", "float16", "cpu", False, "float32"),
        ("auto", "float32", "cpu", True, "float32"),
        ("auto", "", "cpu", True, "bfloat16"),
        ("auto", "", "cpu", False, "float32"),
        ("auto", "float16", "cuda", False, "float16"),
        ("auto", "", "cuda", False, "bfloat16"),
        ("float32", "bfloat16", "cpu", True, "float32"),
        ("bfloat16", "float32", "cpu", False, "bfloat16"),
        ("float16", "bfloat16", "cpu", True, "float16"),
    ],
)
def test_resolve(asked: str, checkpoint: str, device: str, cpu_has_bf16: bool, answer: str) -> None:
    """What is asked for holds; else the checkpoint's type, as far as the device computes in it."""
    assert resolve(asked, checkpoint, device, cpu_has_bf16=cpu_has_bf16) == answer


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 sse", True),
        ("flags\t\t: fpu amx_bf16 amx_tile", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("Features\t: fp asimd", False),
        ("model name\t: bf16", False),
    ],
)
def test_has_bf16(line: str, answer: bool) -> None:
    """The flags of x86 and of ARM tell whether a CPU computes in bfloat16."""
    assert has_bf16(["processor\t: 0\n", f"{line}\n"]) is answer
