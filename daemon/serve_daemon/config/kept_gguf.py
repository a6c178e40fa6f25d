"""Whether the weights of a GGUF file are kept in their blocks, and what they take then. Pure."""

import math

from serve_daemon.config.gguf_header import GgufTensor
from serve_daemon.config.model_kind import EMBEDDING

KEEP, DEQUANTIZE = "keep", "dequantize"  # values of the key `gguf`
ON_A_GPU = '"keep" is for a CPU, and the model runs on a GPU, remove it'
FAST_FLAGS = frozenset({"avx2", "fma", "f16c"})  # the least that code was written for
MATRIX = 2  # dimensions
PANEL = 32  # rows that lie together
# By ggml's number of a type: weights of a block, and bytes that it takes as the operators read it.
# Those of Q4_K and Q5_K are 4 bytes larger than in the file.
BLOCKS = {
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    12: (256, 148),  # Q4_K
    13: (256, 180),  # Q5_K
    14: (256, 210),  # Q6_K
}

Hindrance = tuple[str, str]  # the key that is in the way, and what is wrong with "keep" then


def hindrance(engine: str, quantization: str, dtype: str, *, on_cpu: bool) -> Hindrance | None:
    """Why weights can't be kept under these keys; None where they can."""
    if engine == EMBEDDING:
        return "engine", '"keep" has no effect with engine "embedding", remove it'
    if quantization != "none":
        message = f'"keep" leaves the weights as they are, and quantization "{quantization}"'
        return "quantization", f"{message} would change them, remove one of the two"
    if dtype == "float16":
        return "dtype", '"keep" computes in bfloat16 or float32, choose one of these as dtype'
    if not on_cpu:
        return "device", ON_A_GPU
    return None


def is_fast(cpu_flags: frozenset[str]) -> bool:
    """Whether a CPU that can do so much has an operator that multiplies by blocks."""
    return cpu_flags >= FAST_FLAGS


def packed_bytes(tensor: GgufTensor) -> int:
    """Of a weight that is kept in its blocks; 0 where it can't be."""
    elements, size = BLOCKS.get(tensor.type, (0, 0))
    if not elements or len(tensor.shape) != MATRIX or tensor.shape[-1] % elements:
        return 0
    rows, columns = tensor.shape
    return math.ceil(rows / PANEL) * PANEL * columns // elements * size
