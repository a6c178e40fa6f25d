"""How much memory a model's weights take, as the engines hold them. Pure arithmetic."""

import re
from collections.abc import Iterable

from msgspec import Struct

from serve_daemon.config.architecture import Architecture
from serve_daemon.config.checkpoint import GGUF
from serve_daemon.config.tensors import FLOATS, Tensor

OUTPUT = re.compile(r"(^|\.)(lm_head|output|embed_out)\.weight$")
# Two-dimensional and yet not of a linear layer; those of experts are put together before.
EMBEDDING = re.compile(r"embed|embd|(^|\.)(wte|wpe|shared)\.")
NO_LINEAR = re.compile(rf"{EMBEDDING.pattern}|{OUTPUT.pattern}|\.experts\.")

MATRIX = 2  # dimensions
BYTES_PER_LINEAR_VALUE = {
    # 4-bit numbers, and 16 bits to scale each 64 of them: the order in which a CPU multiplies.
    "bnb-4bit": 1 / 2 + 2 / 64,
    "bnb-8bit": 1.0,
}
BYTES_PER_ROW = {"bnb-4bit": 0, "bnb-8bit": 4}  # its scale
# Stored bits of what is unpacked to plain weights where no GPU computes in it.
UNPACKED_ON_CPU = {"fp8": 8, "mxfp8": 8, "mxfp4": 4}


class Holding(Struct, frozen=True):
    """How an engine holds weights."""

    bytes_per_value: int  # of the type that it computes in
    quantization: str  # the key's value
    stored: str  # the method by which the checkpoint is quantized; "" for plain weights
    on_cpu: bool
    is_packed: bool  # whether linear layers get an order of their own
    is_tied: bool | None  # what the checkpoint says of its output layer
    is_kept: bool = False  # whether what is in blocks stays so


def held_bytes(tensors: Iterable[Tensor], holding: Holding) -> int:
    """Of a whole model."""
    tensors = list(tensors)
    if holding.stored not in {"", GGUF}:
        return sum(_stored_bytes(tensor, holding) for tensor in tensors)
    output = next((each for each in tensors if OUTPUT.search(each.name)), None)
    if holding.is_tied and output is not None:
        tensors.remove(output)
        output = None
    held = sum(_bytes(tensor, holding) for tensor in tensors)
    if output is None and holding.is_packed and holding.quantization == "none":
        # The output layer gets a copy of the embedding in the order that it multiplies by.
        copied = (
            each.values for each in tensors if is_embedding(each) and not _kept(each, holding)
        )
        held += max(copied, default=0) * holding.bytes_per_value
    return held


def is_embedding(tensor: Tensor) -> bool:
    return len(tensor.shape) == MATRIX and bool(EMBEDDING.search(tensor.name))


def is_linear(tensor: Tensor) -> bool:
    """Whether it is the weight of a layer that is quantized at load."""
    return (
        len(tensor.shape) == MATRIX and tensor.dtype in FLOATS and not NO_LINEAR.search(tensor.name)
    )


def _kept(tensor: Tensor, holding: Holding) -> int:
    """Bytes of what stays in blocks; an output layer shares them with its embedding."""
    return tensor.kept_bytes if holding.is_kept else 0


def _bytes(tensor: Tensor, holding: Holding) -> int:
    if kept := _kept(tensor, holding):
        return kept
    if holding.quantization == "none" or not is_linear(tensor):
        return tensor.values * holding.bytes_per_value
    per_value = BYTES_PER_LINEAR_VALUE[holding.quantization]
    return int(tensor.values * per_value) + tensor.shape[0] * BYTES_PER_ROW[holding.quantization]


def _stored_bytes(tensor: Tensor, holding: Holding) -> int:
    bits = UNPACKED_ON_CPU.get(holding.stored) if holding.on_cpu else None
    if tensor.dtype in FLOATS or bits is None:
        return tensor.bytes
    return tensor.bytes * 8 // bits * holding.bytes_per_value


def dummy_tensors(sizes: Architecture) -> list[Tensor]:
    """Those of a decoder whose layers are as most have them, where no file tells of any."""
    inner = sizes.heads * sizes.head_size
    key_value = sizes.key_value_heads * sizes.head_size
    of_layer = {
        "q_proj": (inner, sizes.hidden_size),
        "k_proj": (key_value, sizes.hidden_size),
        "v_proj": (key_value, sizes.hidden_size),
        "o_proj": (sizes.hidden_size, inner),
        "gate_proj": (sizes.intermediate_size, sizes.hidden_size),
        "up_proj": (sizes.intermediate_size, sizes.hidden_size),
        "down_proj": (sizes.hidden_size, sizes.intermediate_size),
    }
    shapes = {"embed_tokens": (sizes.vocabulary, sizes.hidden_size)}
    if not sizes.is_tied:
        shapes["lm_head"] = (sizes.vocabulary, sizes.hidden_size)
    for layer in range(sizes.layers):
        shapes |= {f"layers.{layer}.{name}": shape for name, shape in of_layer.items()}
    return [
        Tensor(f"{name}.weight", shape, "F32", 4 * shape[0] * shape[1])
        for name, shape in shapes.items()
    ]
