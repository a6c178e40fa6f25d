"""The tensors of a GGUF file, read one at a time."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serve_daemon.config.gguf_header import GgufTensor


def raw(file: Path, tensor: GgufTensor) -> Tensor:
    """Its blocks as they are in `file`: uint8 [all dimensions but the last, bytes].

    Raises `ValueError` for a type that the package `gguf` doesn't know.
    """
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    elements, size = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
    length = math.prod(tensor.shape) // elements * size
    content = np.fromfile(file, np.uint8, count=length, offset=tensor.offset)
    if len(content) != length:
        raise ValueError(f"{file} ends within {tensor.name}")
    return torch.from_numpy(content).view(*tensor.shape[:-1], -1)


def values(file: Path, tensor: GgufTensor) -> "np.ndarray[Any, Any]":
    """De-quantized as Transformers has it: float32 of the shape of `tensor`."""
    from gguf import GGMLQuantizationType, dequantize

    kind = GGMLQuantizationType(tensor.type)
    content = raw(file, tensor).numpy()
    if kind in PLAIN:
        content = content.view(PLAIN[kind]).reshape(tensor.shape)
    result: np.ndarray[Any, Any] = dequantize(content, kind)
    return result


# What `dequantize` wants as it is, and not as bytes.
PLAIN = {0: np.float32, 1: np.float16}
