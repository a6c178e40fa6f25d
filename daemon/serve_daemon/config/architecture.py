"""What a model looks like, from its config.json or the header of its GGUF file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from serve_daemon.config import gguf_header
from serve_daemon.config.sources import GGUF_SUFFIX

# What architectures call the same thing, in the order in which they are looked up.
NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "key_value_heads": ("num_key_value_heads", "n_head_kv", "multi_query_group_num"),
    "head_size": ("head_dim", "kv_channels"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim"),
    "vocabulary": ("vocab_size",),
    "max_positions": ("max_position_embeddings", "n_positions", "max_sequence_length"),
}
GGUF_NAMES = {
    "layers": "block_count",
    "hidden_size": "embedding_length",
    "heads": "attention.head_count",
    "key_value_heads": "attention.head_count_kv",
    "head_size": "attention.key_length",
    "intermediate_size": "feed_forward_length",
    "vocabulary": "vocab_size",
    "max_positions": "context_length",
}


class Architecture(Struct, frozen=True):
    """Sizes of a model; 0 where the checkpoint leaves one to Transformers."""

    layers: int
    hidden_size: int
    heads: int
    key_value_heads: int
    head_size: int
    intermediate_size: int
    vocabulary: int
    max_positions: int
    dtype: str  # of its weights; "" if it names none
    is_tied: bool | None  # whether the output layer shares the embedding's weights; None: untold


def architecture_of(checkpoint: Path) -> Architecture:
    """Of a .gguf file, or of a directory.

    Raises `OSError` where it can't be read, and `ValueError` for what is of no such format.
    """
    if checkpoint.suffix == GGUF_SUFFIX:
        return _of_gguf(gguf_header.read(checkpoint).metadata)
    return of_config(json.loads((checkpoint / "config.json").read_bytes()))


def of_config(config: Mapping[str, Any]) -> Architecture:
    """Of the content of a config.json; the text part of one that has several."""
    text = config.get("text_config") or config
    sizes = {size: _first(text, names) for size, names in NAMES.items()}
    dtype = next(
        (t[name] for t in (text, config) for name in ("dtype", "torch_dtype") if t.get(name)), ""
    )
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    return Architecture(**_completed(sizes), dtype=str(dtype), is_tied=tied)


def _of_gguf(metadata: Mapping[str, Any]) -> Architecture:
    kind = metadata.get("general.architecture", "")
    sizes = {size: _largest(metadata.get(f"{kind}.{name}")) for size, name in GGUF_NAMES.items()}
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, gguf_header.Length):
        sizes["vocabulary"] = tokens.count
    return Architecture(**_completed(sizes), dtype="", is_tied=None)


def _completed(sizes: dict[str, int]) -> dict[str, int]:
    """With what follows from others, as Transformers has it."""
    if not (sizes["layers"] and sizes["hidden_size"] and sizes["heads"]):
        raise ValueError("the checkpoint doesn't tell its number of layers, their size or heads")
    sizes["key_value_heads"] = sizes["key_value_heads"] or sizes["heads"]
    sizes["head_size"] = sizes["head_size"] or sizes["hidden_size"] // sizes["heads"]
    return sizes


def _first(table: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((_largest(table[name]) for name in names if table.get(name)), 0)


def _largest(value: Any) -> int:
    """Some sizes are a list, with one for each layer."""
    numbers = value if isinstance(value, list) else [value]
    return max((number for number in numbers if isinstance(number, int)), default=0)
