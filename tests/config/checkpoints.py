"""Checkpoints of a few bytes: headers as libraries write them, and no values."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "dtype": "bfloat16",
}
Shapes = Mapping[str, tuple[int, ...]]
SHAPES: Shapes = {
    "model.embed_tokens.weight": (300, 64),
    "model.layers.0.self_attn.q_proj.weight": (64, 64),
    "model.layers.0.input_layernorm.weight": (64,),
    "lm_head.weight": (300, 64),
}
BYTES = {"F32": 4, "BF16": 2, "F8_E4M3": 1, "U8": 1}


def write_safetensors(file: Path, shapes: Shapes, dtype: str = "BF16") -> Path:
    """The header of a file whose values are left out."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        end = offset + BYTES[dtype] * _product(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    content = json.dumps(header).encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(len(content).to_bytes(8, "little") + content)
    return file


def write_checkpoint(folder: Path, shapes: Shapes = SHAPES, **changes: Any) -> Path:
    """A directory with a config and weights."""
    write_safetensors(folder / "model.safetensors", shapes)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    return folder


def write_gguf(
    file: Path, metadata: Mapping[str, Any], shapes: Shapes, kind: int = 2, version: int = 3
) -> Path:
    """A header as the format's specification has it; `kind` is the number of the tensors' type."""
    parts = [b"GGUF", struct.pack("<IQQ", version, len(shapes), len(metadata))]
    for name, value in metadata.items():
        parts += [_string(name), _value(value)]
    for name, shape in shapes.items():
        parts += [_string(name), struct.pack("<I", len(shape))]
        parts += [struct.pack("<Q", size) for size in reversed(shape)]
        parts += [struct.pack("<IQ", kind, 0)]
    file.write_bytes(b"".join(parts))
    return file


def _product(shape: Sequence[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _string(value)
        case list():
            items = [_value(item) for item in value]
            head = items[0][:4] + struct.pack("<Q", len(items))
            return struct.pack("<I", 9) + head + b"".join(item[4:] for item in items)
    raise TypeError(value)
